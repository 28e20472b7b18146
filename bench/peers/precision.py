"""Losses of thirty training steps in f32 and under autocast in bf16 and f16, as JSON (bench/precision.mjs).

What transformers' Trainer does with --bf16 and --fp16: autocast around the forward pass, in f16 a GradScaler whose skipped steps
do not advance the schedule. Inputs are those of test/golden/train (export.mjs).
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, get_linear_schedule_with_warmup

sys.path.append(str(Path(__file__).parents[2] / "test/golden/model"))
from log_mel import log_mel  # noqa: E402

folder = Path(sys.argv[1])
data = json.loads((folder / "rows.json").read_text())
hyper, rows = data["hyper"], data["rows"]


def losses(dtype):
    model = WhisperForConditionalGeneration.from_pretrained(folder / "initial", attn_implementation="sdpa").train()
    model.model.encoder.embed_positions.requires_grad_(False)  # from_pretrained forgets it, in 5.17
    frames = 2 * model.config.max_source_positions
    features = [log_mel(np.array(row["samples"]), model.config.num_mel_bins, frames).astype(np.float32) for row in rows]
    decayed = [p for n, p in model.named_parameters() if p.requires_grad and "bias" not in n and "layer_norm" not in n]
    plain = [p for n, p in model.named_parameters() if p.requires_grad and ("bias" in n or "layer_norm" in n)]
    groups = [{"params": decayed, "weight_decay": hyper["weightDecay"]}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=hyper["learningRate"])
    schedule = get_linear_schedule_with_warmup(optimizer, hyper["warmup"], hyper["steps"])
    scaler = torch.amp.GradScaler("cpu", enabled=dtype == torch.float16)

    log = []
    while len(log) < hyper["steps"]:
        for start in range(0, len(rows), hyper["batch"]):
            batch = rows[start : start + hyper["batch"]]
            width = max(len(row["labels"]) for row in batch)
            labels = torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in batch])
            inputs = torch.tensor(np.stack(features[start : start + hyper["batch"]]))
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                loss = model(input_features=inputs, labels=labels).loss
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scale = scaler.get_scale()
            scaler.step(optimizer)
            scaler.update()
            if scaler.get_scale() >= scale:
                schedule.step()
            log.append(loss.item())
            if len(log) == hyper["steps"]:
                break
    return log


print(json.dumps({"f32": losses(None), "bf16": losses(torch.bfloat16), "f16": losses(torch.float16)}))
