"""Versions, and what torch reaches on a device: GB/s of a copy, GFLOP/s of a large product by its factors' dtype. As JSON."""
import json
import sys
import time

import torch
import transformers

device = torch.device(sys.argv[1])
gpu = device.type == "cuda"
side, elements = (8192, 2**27) if gpu else (256, 2**16)


def seconds(work, repeats=10):
    """The median of some runs after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[repeats // 2]


def product(dtype):
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b) / 1e9


source = torch.randn(elements, device=device)
target = torch.empty_like(source)
print(json.dumps({
    "versions": {
        "torch": torch.__version__, "transformers": transformers.__version__, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(), "device": torch.cuda.get_device_name() if gpu else "cpu",
    },
    "copy": 2 * 4 * elements / seconds(lambda: target.copy_(source)) / 1e9,
    "products": {name: product(dtype) for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16), ("f32", torch.float32))},
}))
