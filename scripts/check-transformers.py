"""Loads a checkpoint folder with transformers and compares its logits with the engine's.

  node scripts/export-logits.mjs CHECKPOINT /tmp/logits.json && python scripts/check-transformers.py CHECKPOINT /tmp/logits.json
"""
import json
import sys

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

checkpoint, file = sys.argv[1:3]
with open(file) as f:
    ours = json.load(f)
processor = WhisperProcessor.from_pretrained(checkpoint)
model = WhisperForConditionalGeneration.from_pretrained(checkpoint).eval()
features = processor([np.array(s, dtype=np.float32) for s in ours["samples"]], sampling_rate=16000, return_tensors="pt").input_features
labels = torch.tensor([ours["labels"]] * len(ours["samples"]))
with torch.no_grad():
    logits = model(input_features=features, labels=labels).logits
expected = logits.flatten().double().numpy()
actual = np.array(ours["logits"])
assert list(logits.shape) == ours["shape"], (logits.shape, ours["shape"])
worst = np.abs(expected - actual).max()
scale = np.abs(expected).max()
text = processor.tokenizer.decode(processor.tokenizer("turn on the kitchen light").input_ids, skip_special_tokens=True)
assert text == "turn on the kitchen light", text
print(f"logits of {checkpoint}: largest difference {worst:.2e}, largest logit {scale:.2f}, relative {worst / scale:.1e}")
sys.exit(int(worst / scale > 1e-4))
