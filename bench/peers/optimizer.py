"""Steps of PyTorch's fused optimizers over one matrix: one step and one line of milliseconds for every name on stdin (bench/optimizer.mjs)."""
import json
import sys
import time

import torch

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
value = torch.nn.Parameter(0.05 * torch.randn(settings["rows"], settings["width"]))
value.grad = 1e-3 * torch.randn_like(value)
optimizers = {
    "adamw": torch.optim.AdamW([value], lr=1e-5, weight_decay=0.01, fused=True),
    "sgd": torch.optim.SGD([value], lr=1e-5, weight_decay=0.01, fused=True),
}
# As in bench/lab/optimizer.cpp: CPU time where there is one thread, and else the wall's.
clock = time.process_time if settings["threads"] == 1 else time.perf_counter
print(f"torch {torch.__version__}, fused, {torch.get_num_threads()} threads", flush=True)
for line in sys.stdin:
    started = clock()
    optimizers[line.strip()].step()
    print((clock() - started) * 1000, flush=True)
