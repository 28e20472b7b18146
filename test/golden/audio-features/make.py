# Features of transformers' WhisperFeatureExtractor (numpy path, float64) for the signal `bursts(8000)` of
# test/audio/signals.ts: little-endian f32 [50, mels]. transformers 5.17 was used.
import os

import numpy as np
from transformers import WhisperFeatureExtractor

n = 8000
state, samples = 1, np.zeros(n, np.float32)
for i in range(n):
    state = (state * 1664525 + 1013904223) % 2**32
    samples[i] = ((state >> 16) / 32768 - 1) / 2 ** (i // 800 % 10)

for mels in (80, 128):
    extractor = WhisperFeatureExtractor(feature_size=mels)
    features = extractor._np_extract_fbank_features(samples[None], "cpu")[0]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"bursts-{mels}.f32")
    features.T.astype("<f4").tofile(path)
