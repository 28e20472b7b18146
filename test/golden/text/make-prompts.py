"""Golden data of labels with timestamps and of prompts: what transformers' tokenizer makes of them.

    python make-prompts.py            needs transformers >= 5; make.py has written tokenizer/

Writes prompt-cases.json beside this script.
"""

import json
from pathlib import Path

from transformers import WhisperTokenizer

HERE = Path(__file__).parent

PREVIOUS = [
    "the quick brown fox",
    "  It's 5 o'clock, and they're not here yet.\n",
    "Der Junge läuft über die Straße.",
    "日本語のテキストです。",
    "a",
]
# Language, and segments: start and end in seconds, a multiple of 0.02, and what is said.
TIMED = [
    ("en", [(0.0, 1.2, "the cat sat on the mat,"), (1.32, 2.5, "the dog sat on the log,"), (2.5, 30.0, "and the frog sat still.")]),
    ("es", [(0.02, 29.98, "El perro corre detrás del niño")]),
    ("ja", [(0.0, 1.0, "日本語のテキストです。"), (1.0, 2.0, "今日は天気がいいですね。")]),
]

tokenizer = WhisperTokenizer.from_pretrained(HERE / "tokenizer")
cases = {"prompts": [], "timed": []}
for text in PREVIOUS:
    cases["prompts"].append({"text": text, "ids": tokenizer.get_prompt_ids(text, return_tensors="np").tolist()})
for language, segments in TIMED:
    space = "" if language == "ja" else " "
    text = "".join(f"<|{start:.2f}|>{space}{said}<|{end:.2f}|>" for start, end, said in segments)
    tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=True)
    said = [{"start": start, "end": end, "text": said} for start, end, said in segments]
    cases["timed"].append({"language": language, "segments": said, "labels": tokenizer(text).input_ids})
lists = [f'"{name}": [\n' + ",\n".join(json.dumps(case, ensure_ascii=False) for case in of) + "\n]" for name, of in cases.items()]
(HERE / "prompt-cases.json").write_text("{\n" + ",\n".join(lists) + "\n}\n", encoding="utf-8")
