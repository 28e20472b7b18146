"""A training step in PyTorch and transformers: one step and one line of milliseconds for every line on stdin (bench/step.mjs)."""
import json
import sys
import time

import torch
import transformers
from transformers import WhisperConfig, WhisperForConditionalGeneration

settings = json.loads(sys.argv[1])
dims, batch, labels = settings["dims"], settings["batch"], settings["labels"]
torch.set_num_threads(settings["threads"])
config = WhisperConfig(
    vocab_size=dims["vocab"], num_mel_bins=dims["mels"], d_model=dims["width"],
    encoder_layers=dims["encoderLayers"], encoder_attention_heads=dims["encoderHeads"], encoder_ffn_dim=dims["encoderFfn"],
    decoder_layers=dims["decoderLayers"], decoder_attention_heads=dims["decoderHeads"], decoder_ffn_dim=dims["decoderFfn"],
    max_source_positions=dims["source"], max_target_positions=dims["target"], use_cache=False, attn_implementation="sdpa",
)
model = WhisperForConditionalGeneration(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
features = torch.randn(batch, dims["mels"], 2 * dims["source"])
ids = torch.randint(0, dims["vocab"], (batch, labels))
precision = settings["precision"]
dtype = {"f32": None, "f16": torch.float16, "bf16": torch.bfloat16}[precision]
scaler = torch.amp.GradScaler("cpu", enabled=precision == "f16")
print(f"torch {torch.__version__}, transformers {transformers.__version__}, sdpa, fused AdamW, {precision}, {torch.get_num_threads()} threads", flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        loss = model(input_features=features, labels=ids).loss
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    print((time.perf_counter() - started) * 1000, flush=True)
