"""Greedy decoding by transformers' generate with its cache: as many tokens as the line says, encoder included."""
import torch
from transformers import GenerationMixin

from peer import attention, compile_layers, described, device, dtype, features, milliseconds, serve, settings, whisper

dims = settings["dims"]
model = whisper(
    eos_token_id=dims["vocab"] - 1, pad_token_id=0, bos_token_id=0, suppress_tokens=None, begin_suppress_tokens=None,
).eval().to(dtype() or torch.float32)
if settings["compile"]:
    compile_layers(model)
inputs = features().to(dtype() or torch.float32)
prompt = torch.tensor([[dims["start"], *range(1, settings["prompt"])]] * settings["batch"], device=device)


def decode(tokens):
    # The generate that Whisper's own ends in, without the segments and timestamps around it.
    with torch.inference_mode(), attention():
        output = GenerationMixin.generate(
            model, inputs, decoder_input_ids=prompt, min_new_tokens=tokens, max_new_tokens=tokens,
            do_sample=False, num_beams=1, use_cache=True,
        )
    assert output.shape[1] == settings["prompt"] + tokens, output.shape


serve(f"generate with cache, {described(settings)}", lambda tokens: [milliseconds(lambda: decode(int(tokens)))])
