"""Makes golden.json: losses and gradient norms of thirty steps by PyTorch and transformers in float64.

  npm run build && node test/golden/train/export.mjs /tmp/run && python test/golden/train/make.py /tmp/run

What transformers' Trainer does with these settings, written out: batches in file order, the partial last batch of a pass
used, AdamW with its decay groups, clipping at 1, linear warm-up from 0 and decay.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, get_linear_schedule_with_warmup

sys.path.append(str(Path(__file__).parent.parent / "model"))
from log_mel import log_mel  # noqa: E402

folder = Path(sys.argv[1])
data = json.loads((folder / "rows.json").read_text())
hyper, rows = data["hyper"], data["rows"]
model = WhisperForConditionalGeneration.from_pretrained(folder / "initial", attn_implementation="eager").double().train()
model.model.encoder.embed_positions.requires_grad_(False)  # from_pretrained forgets it, in 5.17
frames = 2 * model.config.max_source_positions
for row in rows:
    row["features"] = log_mel(np.array(row["samples"]), model.config.num_mel_bins, frames)

decayed = [p for n, p in model.named_parameters() if p.requires_grad and "bias" not in n and "layer_norm" not in n]
plain = [p for n, p in model.named_parameters() if p.requires_grad and ("bias" in n or "layer_norm" in n)]
groups = [{"params": decayed, "weight_decay": hyper["weightDecay"]}, {"params": plain, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=hyper["learningRate"])
schedule = get_linear_schedule_with_warmup(optimizer, hyper["warmup"], hyper["steps"])

log = []
while len(log) < hyper["steps"]:
    for start in range(0, len(rows), hyper["batch"]):
        batch = rows[start : start + hyper["batch"]]
        width = max(len(row["labels"]) for row in batch)
        labels = torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in batch])
        features = torch.tensor(np.stack([row["features"] for row in batch]))
        optimizer.zero_grad()
        loss = model(input_features=features, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        log.append({"loss": loss.item(), "grad_norm": norm.item(), "learning_rate": schedule.get_last_lr()[0]})
        optimizer.step()
        schedule.step()
        if len(log) == hyper["steps"]:
            break

path = Path(__file__).parent / "golden.json"
path.write_text(json.dumps(log, indent=0) + "\n")
print(f"{path}: loss {log[0]['loss']:.4f} -> {log[-1]['loss']:.4f}")
