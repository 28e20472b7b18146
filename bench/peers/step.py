"""A training step in PyTorch and transformers: forward, backward, clipping and fused AdamW, under autocast in 16 bits."""
import torch

from peer import autocast, features, milliseconds, serve, settings, whisper

model = whisper(use_cache=False).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
inputs = features()
labels = torch.randint(0, settings["dims"]["vocab"], (settings["batch"], settings["labels"]))
scaler = torch.amp.GradScaler("cpu", enabled=settings["precision"] == "f16")


def step():
    optimizer.zero_grad()
    with autocast():
        loss = model(input_features=inputs, labels=labels).loss
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()


serve(f"sdpa, fused AdamW, {settings['precision']}", lambda _: [milliseconds(step)])
