"""Makes autocast.json: how far PyTorch's autocast on the CPU is from float64 for the golden model and batch.

  npm run build && node test/golden/model/export.mjs /tmp/golden && python test/golden/model/autocast.py /tmp/golden

For bf16 and f16 the relative error of the loss, and of every gradient that of the elements in golden.json, root mean square
over root mean square. In f16 the loss is scaled by 65536, as GradScaler begins.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

from log_mel import log_mel

folder, here = Path(sys.argv[1]), Path(__file__).parent
dims = json.loads((folder / "dims.json").read_text())
batch = json.loads((folder / "batch.json").read_text())
golden = json.loads((here / "golden.json").read_text())
config = WhisperConfig(
    vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
    encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
    decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
    max_source_positions=dims["source"], max_target_positions=dims["target"],
    pad_token_id=dims["padding"], bos_token_id=dims["padding"], eos_token_id=dims["padding"],
    decoder_start_token_id=dims["start"], suppress_tokens=None, begin_suppress_tokens=None, attn_implementation="sdpa",
)
model = WhisperForConditionalGeneration(config)
model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
model.tie_weights()
features = [log_mel(np.array(s), dims["mels"], 2 * dims["source"]) for s in batch["samples"]]
features = torch.tensor(np.stack(features), dtype=torch.float32)
labels = torch.tensor(batch["labels"]).view(len(batch["samples"]), batch["time"])


def picked(tensor):
    flat = tensor.detach().double().flatten()
    n = min(64, flat.numel())
    return flat[[i * flat.numel() // n for i in range(n)]].numpy()


result = {}
for name, dtype, scale in (("bf16", torch.bfloat16, 1.0), ("f16", torch.float16, 65536.0)):
    model.zero_grad()
    with torch.autocast("cpu", dtype=dtype):
        loss = model(input_features=features, labels=labels).loss
    (scale * loss).backward()
    errors = {}
    for parameter, p in model.named_parameters():
        if p.grad is not None:
            expected = np.array(golden["grads"][parameter]["at"])
            difference = picked(p.grad) / scale - expected
            errors[parameter] = float(f"{np.sqrt(np.mean(difference**2) / (np.mean(expected**2) + 1e-60)):.3g}")
    result[name] = {"loss": float(f"{abs(loss.item() - golden['loss']) / golden['loss']:.3g}"), "grads": errors}
    values = np.array(list(errors.values()))
    print(f"{name}: loss {result[name]['loss']:.2g}, gradients mean {values.mean():.2g}, largest {values.max():.2g}")
(here / "autocast.json").write_text(json.dumps(result, indent=0) + "\n")
