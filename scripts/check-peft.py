"""Loads an adapter folder with PEFT and compares its logits with the engine's.

  node scripts/export-logits.mjs ADAPTER /tmp/logits.json && python scripts/check-peft.py ADAPTER /tmp/logits.json

The model is the one that adapter_config.json names. The logits must also be those of the merged model.
"""
import json
import sys

import numpy as np
import torch
from peft import PeftConfig, PeftModel
from transformers import WhisperForConditionalGeneration, WhisperProcessor

adapter, file = sys.argv[1:3]
with open(file) as f:
    ours = json.load(f)
base = PeftConfig.from_pretrained(adapter).base_model_name_or_path
processor = WhisperProcessor.from_pretrained(base)
model = PeftModel.from_pretrained(WhisperForConditionalGeneration.from_pretrained(base), adapter).eval()
features = processor([np.array(s, dtype=np.float32) for s in ours["samples"]], sampling_rate=16000, return_tensors="pt").input_features
labels = torch.tensor([ours["labels"]] * len(ours["samples"]))
actual = np.array(ours["logits"])
with torch.no_grad():
    for name, logits in (
        ("adapter", model(input_features=features, labels=labels).logits),
        ("merged", model.merge_and_unload()(input_features=features, labels=labels).logits),
    ):
        expected = logits.flatten().double().numpy()
        assert list(logits.shape) == ours["shape"], (logits.shape, ours["shape"])
        worst, scale = np.abs(expected - actual).max(), np.abs(expected).max()
        print(f"{name} of {adapter}: largest difference {worst:.2e}, largest logit {scale:.2f}, relative {worst / scale:.1e}")
        assert worst / scale < 1e-4
