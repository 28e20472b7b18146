"""Log-mel of one window with torch.stft, as openai/whisper computes it (audio.py: log_mel_spectrogram)."""
import torch
from transformers.audio_utils import mel_filter_bank

from peer import milliseconds, serve, settings

samples = 0.1 * (2 * torch.rand(settings["samples"]) - 1)
window = torch.hann_window(400)
filters = {
    mels: torch.tensor(
        mel_filter_bank(201, mels, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney").T, dtype=torch.float32
    ).contiguous()
    for mels in (80, 128)
}


def log_mel(mels):
    stft = torch.stft(samples, 400, 160, window=window, return_complex=True)
    energies = filters[mels] @ stft[..., :-1].abs() ** 2
    logs = torch.clamp(energies, min=1e-10).log10()
    return (torch.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0


serve("torch.stft", lambda mels: [milliseconds(lambda: log_mel(int(mels))) for _ in range(5)])
