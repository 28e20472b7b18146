"""What the peers of `whisper-tune bench` share: settings, the clock, the model, and the lines spoken with src/bench/peer.ts."""
import json
import resource
import sys
import time

import torch
import transformers
from transformers import WhisperConfig, WhisperForConditionalGeneration

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])

# As the engine's: CPU time of the process where there is one thread, which other programs hardly disturb, else the wall's.
clock = time.process_time if settings["threads"] == 1 else time.perf_counter


def resident():
    """The most memory that the process ever had, in bytes. Linux's getrusage() begins with what the parent had."""
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


loaded = resident()


def milliseconds(work):
    started = clock()
    work()
    return (clock() - started) * 1000


def serve(name, turn):
    """Says who this is, then answers every line: `bytes` by the growth of memory, others by the times of turn(line)."""
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, {name}, "
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads",
        flush=True,
    )
    for line in sys.stdin:
        command = line.strip()
        print(json.dumps([resident() - loaded] if command == "bytes" else turn(command)), flush=True)


def dtype():
    """Of 16 bits; None for those of f32."""
    return {"f16": torch.float16, "bf16": torch.bfloat16}.get(settings["precision"])


def autocast():
    return torch.autocast("cpu", dtype=dtype() or torch.bfloat16, enabled=dtype() is not None)


def whisper(**more):
    """A model of the settings' sizes with random weights and scaled-dot-product attention."""
    dims = settings["dims"]
    return WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
        encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
        decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
        max_source_positions=dims["source"], max_target_positions=dims["target"], decoder_start_token_id=dims["start"],
        attn_implementation="sdpa", **more,
    ))


def features():
    """Random log-mel features of a batch of windows."""
    dims = settings["dims"]
    return torch.randn(settings["batch"], dims["mels"], 2 * dims["source"])
