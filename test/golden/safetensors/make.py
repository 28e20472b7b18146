"""Writes a checkpoint of a tiny Whisper model in two shards and three dtypes with Hugging Face's safetensors.

Element i of the t-th tensor in order of name is ((37 i + 11 t) mod 257 - 128) / 64, which all three dtypes hold exactly.
Run with torch and safetensors installed: python make.py
"""

import torch
from safetensors.torch import save_file

WIDTH, MELS, SOURCE, TARGET, FFN, VOCAB = 4, 5, 6, 7, 8, 9

shapes = {
    "encoder.conv1.weight": [WIDTH, MELS, 3],
    "encoder.conv1.bias": [WIDTH],
    "encoder.conv2.weight": [WIDTH, WIDTH, 3],
    "encoder.conv2.bias": [WIDTH],
    "encoder.embed_positions.weight": [SOURCE, WIDTH],
    "decoder.embed_tokens.weight": [VOCAB, WIDTH],
    "decoder.embed_positions.weight": [TARGET, WIDTH],
}
for part in ("encoder", "decoder"):
    for attention in ("self_attn", "encoder_attn")[: 1 if part == "encoder" else 2]:
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes[f"{part}.layers.0.{attention}.{name}.weight"] = [WIDTH, WIDTH]
            if name != "k_proj":
                shapes[f"{part}.layers.0.{attention}.{name}.bias"] = [WIDTH]
        for kind in ("weight", "bias"):
            shapes[f"{part}.layers.0.{attention}_layer_norm.{kind}"] = [WIDTH]
    shapes |= {
        f"{part}.layers.0.fc1.weight": [FFN, WIDTH],
        f"{part}.layers.0.fc1.bias": [FFN],
        f"{part}.layers.0.fc2.weight": [WIDTH, FFN],
        f"{part}.layers.0.fc2.bias": [WIDTH],
    }
    for kind in ("weight", "bias"):
        shapes[f"{part}.layers.0.final_layer_norm.{kind}"] = [WIDTH]
        shapes[f"{part}.layer_norm.{kind}"] = [WIDTH]

dtypes = [torch.float32, torch.float16, torch.bfloat16]
shards = [{}, {}]
for t, name in enumerate(sorted(shapes)):
    i = torch.arange(torch.Size(shapes[name]).numel())
    values = ((37 * i + 11 * t) % 257 - 128) / 64
    shards[t % 2]["model." + name] = values.reshape(shapes[name]).to(dtypes[t % 3])
for number, shard in enumerate(shards, 1):
    save_file(shard, f"model-0000{number}-of-00002.safetensors", metadata={"format": "pt"})
