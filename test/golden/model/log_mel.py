"""Whisper's log-mel features (openai/whisper audio.py) in float64, for the scripts that make golden files."""
import numpy as np


def log_mel(samples, mels, frames):
    """[mels, frames] of a window of `frames` frames; the samples are cut or zero-padded to it."""
    x = np.zeros(frames * 160)
    x[: len(samples)] = samples[: len(x)]
    x = np.pad(x, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    windows = np.stack([x[160 * t : 160 * t + 400] for t in range(frames)]) * window
    power = np.abs(np.fft.rfft(windows)) ** 2
    points = np.linspace(0, 45.245640471924965, mels + 2)
    hz = np.where(points < 15, 200 * points / 3, 1000 * np.exp((points - 15) * np.log(6.4) / 27))
    bins = 40.0 * np.arange(201)
    rise = (bins[None] - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    fall = (hz[2:, None] - bins[None]) / (hz[2:] - hz[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rise, fall)) * (2 / (hz[2:] - hz[:-2]))[:, None]
    x = np.log10(np.maximum(power @ filters.T, 1e-10))
    return ((np.maximum(x, x.max() - 8) + 4) / 4).T
