"""What the peers of `whisper-tune bench` share: settings, the clock, the model, and the lines spoken with src/bench/peer.ts."""
import contextlib
import json
import resource
import sys
import time

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import WhisperConfig, WhisperForConditionalGeneration

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
device = torch.device(settings["device"])
gpu = device.type == "cuda"

# As the engine's: CPU time of the process on one thread of the CPU, which other programs hardly disturb, else the wall's.
clock = time.process_time if settings["threads"] == 1 and not gpu else time.perf_counter


def resident():
    """The most memory that the process ever had, in bytes. Linux's getrusage() begins with what the parent had."""
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


loaded = resident()


def memory():
    """The most that tensors held on the GPU; on the CPU by how much the process has grown."""
    return torch.cuda.max_memory_allocated(device) if gpu else resident() - loaded


def wait():
    if gpu:
        torch.cuda.synchronize(device)


def milliseconds(work, calls=1):
    """Of one of so many calls in a row."""
    wait()
    started = clock()
    for _ in range(calls):
        work()
    wait()
    return (clock() - started) * 1000 / calls


def serve(name, turn):
    """Says who this is, then answers every line: `bytes` by memory(), others by the times of turn(line) or by its error."""
    where = torch.cuda.get_device_name(device) if gpu else (
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    )
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {name}, {where}", flush=True)
    for line in sys.stdin:
        command = line.strip()
        try:
            answer = [memory()] if command == "bytes" else turn(command)
        except RuntimeError as error:  # out of memory, or nothing to compute this with
            answer = {"error": str(error).split("\n")[0]}
        print(json.dumps(answer), flush=True)


def dtype(precision=settings.get("precision")):
    """Of 16 bits; None for those of f32."""
    return {"f16": torch.float16, "bf16": torch.bfloat16}.get(precision)


def autocast(precision=settings.get("precision")):
    return torch.autocast(device.type, dtype=dtype(precision) or torch.bfloat16, enabled=dtype(precision) is not None)


def attention(sdpa=settings.get("sdpa")):
    """Attention by the implementation asked for; by the one PyTorch chooses where none is."""
    names = {
        "flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH,
    }
    return sdpa_kernel(names[sdpa]) if sdpa else contextlib.nullcontext()


def compile_layers(model):
    """torch.compile of each layer: as all are alike, one is compiled for the encoder and one for the decoder."""
    for part in (model.get_encoder(), model.get_decoder()):
        for layer in part.layers:
            layer.compile()


def whisper(dims=settings.get("dims"), **more):
    """A model of such sizes with random weights, made on the device, with scaled-dot-product attention."""
    config = WhisperConfig(
        vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
        encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
        decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
        max_source_positions=dims["source"], max_target_positions=dims["target"], decoder_start_token_id=dims["start"],
        attn_implementation="sdpa", **{"pad_token_id": max(0, dims["padding"]), "eos_token_id": None, **more},
    )
    with device:
        return WhisperForConditionalGeneration(config)


def features(dims=settings.get("dims"), batch=settings.get("batch")):
    """Random log-mel features of a batch of windows."""
    return torch.randn(batch, dims["mels"], 2 * dims["source"], device=device)


def described(options):
    """How a model is run, in words."""
    words = [f"sdpa {options['sdpa']}" if options.get("sdpa") else "sdpa", options["precision"]]
    words += ["layers compiled"] if options.get("compile") else []
    words += ["checkpointing"] if options.get("checkpointing", "none") != "none" else []
    return ", ".join(words)
