"""Makes adapter/ and golden.json: an adapter saved by PEFT for the golden model, and what it computes in float64.

  npm run build && node test/golden/model/export.mjs /tmp/golden && python test/golden/lora/make.py /tmp/golden

Needs torch 2.13, transformers 5.17 and peft 0.21. Every gradient is stored as its norm and up to 16 evenly spaced elements.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

here = Path(__file__).parent
sys.path.insert(0, str(here.parent / "model"))
from log_mel import log_mel  # noqa: E402

folder = Path(sys.argv[1])
dims = json.loads((folder / "dims.json").read_text())
batch = json.loads((folder / "batch.json").read_text())
config = WhisperConfig(
    vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
    encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
    decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
    max_source_positions=dims["source"], max_target_positions=dims["target"],
    pad_token_id=dims["padding"], bos_token_id=dims["padding"], eos_token_id=dims["padding"],
    decoder_start_token_id=dims["start"], suppress_tokens=None, begin_suppress_tokens=None, attn_implementation="eager",
)
model = WhisperForConditionalGeneration(config)
model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
model.tie_weights()
lora = LoraConfig(
    r=2, lora_alpha=3, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
)
model = get_peft_model(model, lora)
torch.manual_seed(0)
for name, p in model.named_parameters():
    if "lora_" in name:
        torch.nn.init.normal_(p, std=0.1)
model.save_pretrained(here / "adapter")
(here / "adapter" / "README.md").unlink(missing_ok=True)
model.double()

features = torch.tensor(np.stack([log_mel(np.array(s), dims["mels"], 2 * dims["source"]) for s in batch["samples"]]))
labels = torch.tensor(batch["labels"]).view(len(batch["samples"]), batch["time"])
trained = {n.replace(".default", "").removeprefix("base_model.model."): p for n, p in model.named_parameters() if p.requires_grad}
assert all("lora_" in name for name in trained)


def pick(tensor):
    flat = tensor.detach().double().flatten()
    n = min(16, flat.numel())
    return {"shape": list(tensor.shape), "norm": flat.norm().item(), "at": flat[[i * flat.numel() // n for i in range(n)]].tolist()}


loss = model(input_features=features, labels=labels).loss
loss.backward()
golden = {"loss": loss.item(), "grads": {name: pick(p.grad) for name, p in trained.items()}, "steps": []}
optimizer = torch.optim.AdamW(trained.values(), lr=1e-3, weight_decay=0.01)
for _ in range(5):
    optimizer.zero_grad()
    loss = model(input_features=features, labels=labels).loss
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
    optimizer.step()
    golden["steps"].append({"loss": loss.item(), "grad_norm": norm.item()})


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.9g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else x


path = here / "golden.json"
path.write_text(json.dumps(rounded(golden)) + "\n")
print(f"{path}: loss {golden['loss']:.6f}, {len(golden['grads'])} gradients, {path.stat().st_size} bytes")
