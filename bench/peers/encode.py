"""The encoder's forward pass in transformers, with weights and activations in the precision asked for."""
import torch

from peer import dtype, features, milliseconds, serve, settings, whisper

encoder = whisper().get_encoder().eval().to(dtype() or torch.float32)
inputs = features().to(dtype() or torch.float32)


def encode():
    with torch.inference_mode():
        encoder(inputs)


serve(f"sdpa, {settings['precision']}", lambda _: [milliseconds(encode)])
