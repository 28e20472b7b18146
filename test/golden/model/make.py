"""Makes golden.json: what transformers' Whisper computes in float64 for the golden model and batch.

  npm run build && node test/golden/model/export.mjs /tmp/golden && python test/golden/model/make.py /tmp/golden

Needs torch 2.13 and transformers 5.17. Every tensor is stored as its norm and up to 64 evenly spaced elements.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

from log_mel import log_mel

folder = Path(sys.argv[1])
dims = json.loads((folder / "dims.json").read_text())
batch = json.loads((folder / "batch.json").read_text())


def pick(tensor):
    flat = tensor.detach().double().flatten()
    n = min(64, flat.numel())
    index = [i * flat.numel() // n for i in range(n)]
    return {"shape": list(tensor.shape), "norm": flat.norm().item(), "at": flat[index].tolist()}


config = WhisperConfig(
    vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
    encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
    decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
    max_source_positions=dims["source"], max_target_positions=dims["target"],
    pad_token_id=dims["padding"], bos_token_id=dims["padding"], eos_token_id=dims["padding"],
    decoder_start_token_id=dims["start"], suppress_tokens=None, begin_suppress_tokens=None, attn_implementation="eager",
)
model = WhisperForConditionalGeneration(config).double()
missing, unexpected = model.load_state_dict({k: v.double() for k, v in load_file(folder / "model.safetensors").items()}, strict=False)
assert missing == ["proj_out.weight"] and not unexpected, (missing, unexpected)
model.tie_weights()

features = torch.tensor(np.stack([log_mel(np.array(s), dims["mels"], 2 * dims["source"]) for s in batch["samples"]]))
labels = torch.tensor(batch["labels"]).view(len(batch["samples"]), batch["time"])

golden = {"hidden": {}, "grads": {}, "steps": [], "weights": {}}
out = model(input_features=features, labels=labels, output_hidden_states=True)
for side, states in (("encoder", out.encoder_hidden_states), ("decoder", out.decoder_hidden_states)):
    for i, state in enumerate(states[:-1]):  # the last is after the layer norm; the one before it is the last layer's input
        golden["hidden"][f"{side}.embed" if i == 0 else f"{side}.layers.{i - 1}"] = pick(state)
    golden["hidden"][f"{side}.layer_norm"] = pick(states[-1])
golden["logits"] = pick(out.logits)
golden["loss"] = out.loss.item()

# Per-row sums of token losses.
losses = torch.nn.functional.cross_entropy(out.logits.transpose(1, 2), labels, reduction="none")
golden["row_losses"] = losses.sum(1).tolist()

out.loss.backward()
for name, p in model.named_parameters():
    if p.grad is not None:
        golden["grads"][name] = pick(p.grad)

# The same of rows whose first labels are a prompt: read by the decoder, ignored by the loss.
inputs, targets = (torch.tensor(batch["prompted"][key]).view_as(labels) for key in ("inputs", "labels"))
model.zero_grad()
loss = model(input_features=features, decoder_input_ids=inputs, labels=targets).loss
loss.backward()
few = [f"model.decoder.embed_{n}.weight" for n in ("tokens", "positions")] + [
    "model.decoder.layers.0.self_attn.q_proj.weight", "model.decoder.layers.1.fc1.weight", "model.encoder.conv1.weight"]
golden["prompted"] = {"loss": loss.item(), "grads": {name: pick(model.get_parameter(name).grad) for name in few}}

# Five steps of AdamW with transformers' decay groups, clipping at 1.
decayed = [p for n, p in model.named_parameters() if p.requires_grad and "bias" not in n and "layer_norm" not in n]
plain = [p for n, p in model.named_parameters() if p.requires_grad and ("bias" in n or "layer_norm" in n)]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=1e-3)
for _ in range(5):
    optimizer.zero_grad()
    loss = model(input_features=features, labels=labels).loss
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    golden["steps"].append({"loss": loss.item(), "grad_norm": norm.item()})
for name, p in model.named_parameters():
    golden["weights"][name] = pick(p)

# Greedy decoding with the trained weights, by whole forward passes: prompt, suppressed tokens, log-probabilities.
prompt, suppress, begin_suppress, length = [dims["start"], 292], [3, 255], [1, dims["padding"]], 12
golden["generate"] = {"prompt": prompt, "suppress": suppress, "begin_suppress": begin_suppress, "max_length": length, "rows": []}
with torch.no_grad():
    for row in range(len(batch["samples"])):
        tokens, logprobs = list(prompt), []
        while len(tokens) < length:
            logits = model(input_features=features[row : row + 1], decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
            logits[suppress + (begin_suppress if len(tokens) == len(prompt) else [])] = -torch.inf
            tokens.append(int(logits.argmax()))
            logprobs.append(logits.log_softmax(-1)[tokens[-1]].item())
            if tokens[-1] == dims["padding"]:
                break
        golden["generate"]["rows"].append({"tokens": tokens[len(prompt):], "logprobs": logprobs})


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.9g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else x


path = Path(__file__).parent / "golden.json"
path.write_text(json.dumps(rounded(golden)) + "\n")
print(f"{path}: loss {golden['loss']:.6f}, {len(golden['grads'])} gradients, {path.stat().st_size} bytes")
