"""Makes model/: the tokenizer and the configuration of the quickstart's model, which has no weights yet.

    python scripts/quickstart/make_model.py quickstart/base/train.tsv

Needs transformers and tokenizers. The transcripts are those that `npm run quickstart` writes. Byte-level BPE stops by
itself when every pair that comes twice is merged: each word of the base set is then one token where it stands, at the
start or after a space, and words that come later are spelled with letters and fragments.
"""

import csv
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.whisper.tokenization_whisper import LANGUAGES

FOLDER = Path(__file__).parent / "model"
WINDOW_SECONDS = 3
SAMPLE_RATE, HOP = 16000, 160
FRAMES = WINDOW_SECONDS * SAMPLE_RATE // HOP


def write_json(name, content, compact=False):
    layout = {"separators": (",", ":")} if compact else {"indent": 2}
    (FOLDER / name).write_text(json.dumps(content, ensure_ascii=False, **layout) + "\n", encoding="utf-8")


def train_bpe(sentences):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer


with open(sys.argv[1], encoding="utf-8") as table:
    sentences = [row["sentence"] for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)]
bpe = json.loads(train_bpe(sentences).to_str())["model"]
vocab = dict(sorted(bpe["vocab"].items(), key=lambda item: item[1]))

# Whisper's layout behind the text, as in the multilingual models with 99 languages.
languages = [code for code in LANGUAGES if code != "yue"]
specials = [
    "endoftext", "startoftranscript", *languages,
    "translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps",
]  # fmt: skip
timestamps = [f"{step * 0.02:.2f}" for step in range(1501)]
added = {f"<|{name}|>": len(vocab) + i for i, name in enumerate(specials + timestamps)}
end, start = added["<|endoftext|>"], added["<|startoftranscript|>"]
additional = [f"<|{name}|>" for name in specials]

write_json("vocab.json", vocab)
merges = ["#version: 0.2", *(" ".join(pair) for pair in bpe["merges"])]
(FOLDER / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
write_json("added_tokens.json", added, compact=True)
write_json(
    "special_tokens_map.json",
    {name: "<|endoftext|>" for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    | {"additional_special_tokens": additional},
)
write_json(
    "tokenizer_config.json",
    {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "add_prefix_space": False,
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "additional_special_tokens": additional,
        "model_max_length": 64,
        "clean_up_tokenization_spaces": False,
    },
)
write_json(
    "preprocessor_config.json",
    {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "chunk_length": WINDOW_SECONDS,
        "feature_size": 80,
        "hop_length": HOP,
        "n_fft": 400,
        "n_samples": WINDOW_SECONDS * SAMPLE_RATE,
        "nb_max_frames": FRAMES,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
        "sampling_rate": SAMPLE_RATE,
    },
)
ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
write_json(
    "config.json",
    {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "vocab_size": len(vocab) + len(added),
        "num_mel_bins": 80,
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_attention_heads": 1,
        "encoder_ffn_dim": 256,
        "decoder_layers": 2,
        "decoder_attention_heads": 1,
        "decoder_ffn_dim": 256,
        "max_source_positions": FRAMES // 2,
        "max_target_positions": 64,
        "activation_function": "gelu",
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "apply_spec_augment": True,
        "mask_time_prob": 0.05,
        "mask_time_length": 10,
        "mask_time_min_masks": 2,
        "mask_feature_prob": 0.05,
        "mask_feature_length": 8,
        "mask_feature_min_masks": 0,
        "suppress_tokens": [],
        "begin_suppress_tokens": [],
        **ids,
    },
)
write_json(
    "generation_config.json",
    {
        **ids,
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": added[f"<|{code}|>"] for code in languages},
        "task_to_id": {task: added[f"<|{task}|>"] for task in ("transcribe", "translate")},
        "no_timestamps_token_id": added["<|notimestamps|>"],
        "prev_sot_token_id": added["<|startofprev|>"],
        "max_initial_timestamp_index": 50,
        "max_length": 64,
        "return_timestamps": False,
        "suppress_tokens": [],
        "begin_suppress_tokens": [],
    },
)

forms = {form for sentence in sentences for form in sentence.replace(" ", " Ġ").split()}
split = sorted(form for form in forms if form not in vocab)
print(f"{len(vocab)} text tokens, {len(bpe['merges'])} merges, {len(vocab) + len(added)} in all")
print(f"{len(forms)} words at the start or after a space; not one token: {split or 'none'}")
