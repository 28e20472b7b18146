"""The encoder's forward pass in transformers, with weights and activations in the precision asked for."""
import torch

from peer import attention, compile_layers, described, dtype, features, milliseconds, serve, settings, whisper

model = whisper().eval().to(dtype() or torch.float32)
if settings["compile"]:
    compile_layers(model)
encoder = model.get_encoder()
inputs = features().to(dtype() or torch.float32)


def encode():
    with torch.inference_mode(), attention():
        encoder(inputs)


serve(described(settings), lambda _: [milliseconds(encode)])
