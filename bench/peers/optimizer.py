"""Steps of PyTorch's fused optimizers over one matrix."""
import json

import torch

from peer import device, milliseconds, serve, settings

value = torch.nn.Parameter(0.05 * torch.randn(settings["rows"], settings["width"], device=device))
value.grad = 1e-3 * torch.randn_like(value)
optimizers = {
    "adamw": torch.optim.AdamW([value], lr=1e-5, weight_decay=0.01, fused=True),
    "sgd": torch.optim.SGD([value], lr=1e-5, weight_decay=0.01, fused=True),
}


def turn(command):
    asked = json.loads(command)
    step = optimizers[asked["optimizer"]].step
    step()
    return [milliseconds(step, asked["calls"]) for _ in range(asked["repeats"])]


serve("fused optimizers", turn)
