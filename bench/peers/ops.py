"""Single operations in PyTorch, operands in the precision asked for: what the line describes, forward or gradients alone.

`sdpa` of a line is the implementation of attention for it.
"""
import json

import torch
import torch.nn.functional as F

from peer import attention as sdpa, described, device, dtype, milliseconds, serve, settings

stored = dtype() or torch.float32


def random(*shape, dtype=stored):
    return torch.randn(*shape, dtype=dtype, device=device).requires_grad_()


def linear(asked):
    x, w, b = random(asked["m"], asked["k"]), random(asked["n"], asked["k"]), random(asked["n"])
    return lambda: F.linear(x, w, b), {"x": [x], "weight": [w], "weight, bias": [w, b]}.get(asked.get("gradient"))


def linear_gelu(asked):
    x, w, b = random(asked["rows"], asked["width"]), random(asked["ffn"], asked["width"]), random(asked["ffn"])
    return lambda: F.gelu(F.linear(x, w, b)), None


def gelu_linear(asked):
    x, w = random(asked["rows"], asked["ffn"]), random(asked["width"], asked["ffn"])
    return lambda: F.linear(F.gelu(x), w), [x]


def attention(asked):
    batch, heads, width = asked["batch"], asked["heads"], asked["width"] // asked["heads"]

    def of_heads(time):  # [batch, time, heads, width] seen as [batch, heads, time, width], as transformers does
        return torch.randn(batch, time, heads, width, dtype=stored, device=device).transpose(1, 2).requires_grad_()

    q, k, v = of_heads(asked["time"]), of_heads(asked["keys"]), of_heads(asked["keys"])
    return (
        lambda: F.scaled_dot_product_attention(q, k, v, dropout_p=asked["dropout"], is_causal=asked["causal"]),
        [q, k, v],
    )


def classifier(asked):
    """Logits, loss and both gradients, as one."""
    x, w = random(asked["rows"], asked["width"]), random(asked["vocab"], asked["width"])
    labels = torch.randint(0, asked["vocab"], (asked["rows"],), device=device)
    return lambda: torch.autograd.grad(F.cross_entropy(F.linear(x, w).float(), labels), [x, w]), None


def layernorm(asked):
    x, w, b = (random(*shape, dtype=torch.float32) for shape in ((asked["rows"], asked["width"]), (asked["width"],), (asked["width"],)))
    return lambda: F.layer_norm(x, (asked["width"],), w, b), [x, w, b]


def gelu(asked):
    x = random(asked["rows"], asked["width"])
    return lambda: F.gelu(x), [x]


def turn(command):
    asked = json.loads(command)
    with sdpa(asked.get("sdpa", settings.get("sdpa"))):
        return times_of(asked)


def times_of(asked):
    forward, inputs = globals()[asked["op"]](asked)
    if "gradient" in asked:
        y = forward()
        dy = torch.randn_like(y)
        work = lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)
    elif asked["op"] == "classifier":
        work = forward
    else:
        def work():
            with torch.no_grad():
                forward()
    work()
    return [milliseconds(work, asked["calls"]) for _ in range(asked["repeats"])]


serve(described(settings), turn)
