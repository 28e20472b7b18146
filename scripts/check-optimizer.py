"""Loads an optimizer.pt that whisper-tune wrote into the optimizer that transformers' Trainer makes, compares every state
with the optimizer.safetensors that it was made of, and makes an update.

  whisper-tune optimizer optimizer.safetensors optimizer.pt --model_name_or_path MODEL
  python scripts/check-optimizer.py MODEL optimizer.safetensors optimizer.pt

bitsandbytes' optimizer is asked where it is installed; else its file is only compared.
"""
import sys

import torch
from safetensors import safe_open
from transformers import Trainer, TrainingArguments, WhisperForConditionalGeneration

folder, source, target = sys.argv[1:4]
with safe_open(source, "pt") as f:
    ours, notes = {name: f.get_tensor(name) for name in f.keys()}, f.metadata()
step = int(notes["step"])

model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
model.model.encoder.embed_positions.requires_grad_(False)  # from_pretrained forgets it, in 5.17
for part, kept in (("encoder", "decoder"), ("decoder", "encoder")):
    if notes["trained"] == kept:
        getattr(model.model, part).requires_grad_(False)
state = torch.load(target, weights_only=True)
assert str(torch.load(target, weights_only=True, mmap=True)) == str(state)

# What every optimizer must agree about: names in the order of the groups.
optim = {"adamw_hf": "adamw_torch", "adamw_bnb_8bit": "adamw_torch"}.get(notes["optimizer"], notes["optimizer"])
if notes["optimizer"] == "adamw_bnb_8bit":
    try:
        import bitsandbytes  # noqa: F401

        optim = "adamw_bnb_8bit"
    except ImportError:
        print("bitsandbytes is not installed: its file is compared and not loaded")
trainer = Trainer(model, TrainingArguments("/tmp/unused", optim=optim, report_to=[], use_cpu=True))
optimizer = trainer.create_optimizer()
by_address = {id(p): n for n, p in model.named_parameters()}
names = [by_address[id(p)] for group in optimizer.param_groups for p in group["params"]]
assert [len(g["params"]) for g in state["param_groups"]] == [len(g["params"]) for g in optimizer.param_groups]



def numbers(entry, moment):
    """What 8-bit codes stand for, at the block length that the file has."""
    codes, absmax, qmap = (entry[f"{key}{moment}"] for key in ("state", "absmax", "qmap"))
    block = 256 if -(-codes.numel() // 256) == absmax.numel() else 2048
    return (qmap[codes.flatten().long()] * absmax.repeat_interleave(block)[: codes.numel()]).reshape(codes.shape)


def compare(name, theirs, ours):
    """How far codes are that were coded again: a convolution's, [out, 3, in] in our file. All else must be equal."""
    worst, coded_again = 0.0, set()
    for moment in "12":
        if f"state{moment}" in theirs and ours[f"state{moment}"].shape != theirs[f"state{moment}"].shape:
            expected = numbers(ours, moment).transpose(1, 2)
            worst = max(worst, ((numbers(theirs, moment) - expected).abs().max() / expected.abs().max()).item())
            assert worst < 0.0071, (name, moment, worst)  # half the widest gap of the map
            coded_again |= {f"state{moment}", f"absmax{moment}"}
    for kind in theirs.keys() - coded_again:
        assert theirs[kind].dtype == ours[kind].dtype and torch.equal(theirs[kind], ours[kind]), (name, kind)
    return worst


worst = 0.0
for index, name in enumerate(names):
    entry = dict(state["state"].get(index, {}))
    if entry:
        assert float(entry.pop("step")) == step
    entry.update(entry.pop("__bnb_optimizer_quant_state__", {}))
    entry.pop("RMS", None)
    kinds = {k: ours.pop(f"{k}.{name}") for k in entry if not k.startswith("qmap")}
    worst = max(worst, compare(name, entry, kinds | {k: ours[k] for k in ours if k in ("qmap1", "qmap2")}))
assert set(ours) <= {"qmap1", "qmap2"}, set(ours)
print(f"{target}: the states of {len(names)} parameters are those of {source}; coded again within {worst:.1e} of the largest")

if optim == notes["optimizer"]:
    optimizer.load_state_dict(state)
    before = [p.detach().clone() for g in optimizer.param_groups for p in g["params"]]
    generator = torch.Generator().manual_seed(0)
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.randn(p.shape, generator=generator)
    optimizer.step()
    after = [p for g in optimizer.param_groups for p in g["params"]]
    assert all(p.isfinite().all() for p in after) and all((a != b).any() for a, b in zip(before, after))
    steps = {float(s["step"]) for s in optimizer.state_dict()["state"].values()}
    assert steps <= {step + 1.0}, steps
    print(f"{type(optimizer).__name__} took it, and went from update {step} to {step + 1}")
