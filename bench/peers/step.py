"""A training step in PyTorch and transformers: forward, backward, clipping and fused AdamW, under autocast in 16 bits.

A line is `turn`, for a step as the settings say, or JSON with what is to be otherwise in this one: a model is made anew when that
differs from what it was. Any checkpointing is transformers': of every layer.
"""
import gc
import json

import torch

from peer import attention, autocast, compile_layers, described, device, features, gpu, milliseconds, serve, settings, whisper


class Training:
    """A model with its optimizer and a batch."""

    def __init__(self, asked):
        self.asked = asked
        self.model = whisper(asked["dims"], use_cache=False).train()
        if asked["checkpointing"] != "none":
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        if asked["compile"]:
            compile_layers(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)
        self.inputs = features(asked["dims"], asked["batch"])
        self.labels = torch.randint(0, asked["dims"]["vocab"], (asked["batch"], asked["labels"]), device=device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=asked["precision"] == "f16")

    def step(self):
        self.optimizer.zero_grad()
        with autocast(self.asked["precision"]), attention(self.asked.get("sdpa")):
            loss = self.model(input_features=self.inputs, labels=self.labels).loss
            self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()


training = None


def turn(command):
    global training
    try:
        return timed_step(command)
    except RuntimeError:
        training = None  # for the next one has its memory
        raise


def timed_step(command):
    global training
    asked = {**settings, **(json.loads(command) if command.startswith("{") else {})}
    if training is None or training.asked != asked:
        training = None
        gc.collect()
        torch._dynamo.reset()
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        training = Training(asked)
    return [milliseconds(training.step)]


serve(f"fused AdamW, {described(settings)}", turn)
