"""Golden data of the text code: a small tokenizer in Whisper's layout, and what transformers makes of texts with it.

    python make.py            needs transformers >= 5 and tokenizers

Writes tokenizer/ (vocab.json, merges.txt, added_tokens.json, special_tokens_map.json, tokenizer_config.json),
tokenizer-cases.json, normalizer-cases.json and wer-cases.json beside this script. The normalisers use the spelling map of the project,
read from its source, which equals the normalizer.json of the released checkpoints.
"""

import json
import random
import re
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import WhisperTokenizer
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES

HERE = Path(__file__).parent
RNG = random.Random(7)

SENTENCES = """the quick brown fox jumps over the lazy dog
It's 5 o'clock, and they're not here yet; we'll wait until 10:30.
I've said that he'd do it, but I'm sure she won't.
El perro corre detrás del niño por la calle mayor.
Der Junge läuft über die Straße und lacht schön.
Привет, как дела? Всё хорошо, спасибо.
日本語のテキストです。今日は天気がいいですね。
हिन्दी में लिखा हुआ एक वाक्य है।
the cat sat on the mat, the dog sat on the log, and the frog sat still.""".splitlines()


def write(name, value, indent=None):
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(value, list):  # one case per line
        text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in value) + "\n]\n"
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":")) + "\n"
    path.write_text(text, encoding="utf-8")


def make_tokenizer():
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    model = json.loads(bpe.to_str())["model"]
    write("tokenizer/vocab.json", model["vocab"])
    merges = ["#version: 0.2"] + [" ".join(pair) for pair in model["merges"]]
    (HERE / "tokenizer/merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    languages = [code for code in LANGUAGES if code != "yue"]
    names = ["endoftext", "startoftranscript", *languages, "translate", "transcribe"]
    names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special = [f"<|{name}|>" for name in names]
    timestamps = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    write("tokenizer/added_tokens.json", {token: len(model["vocab"]) + i for i, token in enumerate(special + timestamps)})
    one = {name: "<|endoftext|>" for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    write("tokenizer/special_tokens_map.json", {**one, "additional_special_tokens": special})
    # transformers 5 does not read the file before.
    write("tokenizer/tokenizer_config.json", {**one, "additional_special_tokens": special, "clean_up_tokenization_spaces": False})


ASSIGNED = [c for c in range(0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


def any_character():
    return chr(RNG.choice(ASSIGNED))


def tokenizer_cases():
    tokenizer = WhisperTokenizer.from_pretrained(HERE / "tokenizer")
    words = SENTENCES + [
        "", " ", "  two  spaces ", "line\nbreak\n\n", "tab\there", "\ufeffBOM", "a\x85b \x1f c", " \ufeff\ufeff x", "👩‍👩‍👧 🇫🇷",
        "don't DON'T can't I'll", "<|en|> in the text", "<|startoftranscript|>", "<|1.00|>hello<|2.00|>", "<|nonsense|>", "1234 ½ ٣٤",
        "ǅungla", "é e\u0301",
    ]
    texts = words + ["".join(RNG.choice([any_character(), " ", RNG.choice(words)[:6]]) for _ in range(RNG.randint(1, 10))) for _ in range(60)]
    settings = [(None, None), ("english", "transcribe"), ("es", "translate"), ("Mandarin", "transcribe"), ("haw", "transcribe"), ("su", "translate")]
    encode = []
    for text in texts:
        tokenizer.language = tokenizer.task = None
        language, task = RNG.choice(settings)
        timestamps = RNG.random() < 0.2
        tokenizer.set_prefix_tokens(language, task, timestamps)
        encode.append({
            "text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"], "language": language, "task": task,
            "timestamps": timestamps, "labels": tokenizer(text)["input_ids"],
        })
    decode = []
    prev, sot = tokenizer.convert_tokens_to_ids(["<|startofprev|>", "<|startoftranscript|>"])
    begin = tokenizer.convert_tokens_to_ids("<|0.00|>")
    for i in range(60):
        ids = [RNG.randrange(400 if RNG.random() < 0.8 else len(tokenizer)) for _ in range(RNG.randint(1, 12))]
        if i % 10 == 0:
            ids = [prev, *ids, sot, *ids[:3]]
        if i % 10 == 5:
            ids = [prev, *[i for i in ids if i != sot]]
        decode.append({"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True),
                       "special": tokenizer.decode(ids, skip_special_tokens=False)})
    spoken = tokenizer("Hello there", add_special_tokens=False)["input_ids"]
    for first, last in ((0, 54), (100, 1500)):
        ids = [sot, begin + first, *spoken, begin + last, tokenizer.eos_token_id]
        decode.append({"ids": ids, "timestamps": tokenizer.decode(ids, skip_special_tokens=True, decode_with_timestamps=True),
                       "text": tokenizer.decode(ids, skip_special_tokens=True), "special": tokenizer.decode(ids)})
    return {"encode": encode, "decode": decode}


def normalizer_cases():
    source = (HERE / "../../../src/processor/normalizers/english-spellings.ts").read_text(encoding="utf-8")
    pairs = re.search(r"`(.*?)`", source[source.index("new Map") :], re.S).group(1)
    spellings = dict(pair.split("=") for pair in re.split(r",\s+", pairs))
    english = EnglishTextNormalizer(spellings)
    normalizers = [BasicTextNormalizer(), BasicTextNormalizer(True), BasicTextNormalizer(False, True), english]
    written = """Let's|he's like|she's been like|10km|10mm|RC232|Mr. Park visited Assoc. Prof. Kim Jr.|Hola, güey!|two
        three|twenty one|one hundred and twenty five|nineteen eighty four|one oh one|two hundred and five thousand|minus five
        twenty five dollars and fifty cents|$3.05|$0.25|two dollars and seven cents|$2 and ¢7|three and a half million|and a half
        two and a half|a cat and a half|point five|three point one four|one two three point four|double oh seven|triple nine
        five percent|ten per cent|per mille|per cent|the 1960s|20th century|twenty first|thirty seconds|the thirties|ones and twos
        nineteen hundreds|2.5 million|1.2.3 million|zero million|one decillion two nonillion|ten decillion decillion
        99999999999999999999999999 thousand|0.5 hundreds|2.55 hundreds|1,234,567.89 pounds|plus minus plus seven|positive attitude
        I'ma go, y'all gotta see ma'am|he'd been gone; it's got to be|woulda coulda shoulda|ain't can't won't don't
        (parenthesised) [bracketed] <tagged> left (open [and open <too|() empty|nested (a (b) c) d|um, uh, hmm mmm
        colour and favourite aluminium|dr.who vs. st. john|192.168.0.1|3 rd of the 2 nd|१२ hundred|१.५ million|１２ apples|x² ½ cup
        naïve Æsop Straße Łódź þorn|ÀÉÎ e\u0301|ΑΣ ΣΑΣ|İstanbul|हिन्दी में|ไทย ภาษา|日本語 テスト|👩‍👩‍👧 🇫🇷🇩🇪|a\u00a0b\u1680c\x85d\x1fe\ufefff|under_score
        don 't know|$5 .50 . 3 %|50% % of|¢ 5 cents 7¢|1s and 1 and one|""".replace("\n        ", "|").split("|")
    numbers = sorted(english.standardize_numbers.words)
    pool = numbers + "half a 1 2 10 19 100 1.5 3.0 0.5 1,000 $ $5 £3.50 ¢7 % 5% 1960s 20th mr. dr can't it's colour mm um 's ( ) [x] . , - ... ٣ १२ ½ 10mm _ a_b 's' \x85 \ufeff İ ß é".split(" ")
    texts = written
    for _ in range(150):
        texts.append(RNG.choice(["", "", " "]) + " ".join(RNG.choice(pool) for _ in range(RNG.randint(1, 7))))
    for _ in range(60):
        texts.append("".join(RNG.choice(["", " ", "-", "."]) + RNG.choice(pool) for _ in range(RNG.randint(1, 7))))
    for _ in range(60):
        texts.append("".join(RNG.choice("abdst'0123456789.,%$£€¢ ()[]<>-\n\t_") for _ in range(RNG.randint(1, 24))))
    for _ in range(60):
        texts.append("".join(RNG.choice([any_character(), " ", "a", "1"]) for _ in range(RNG.randint(1, 10))))
    return [[text, *(normalize(text) for normalize in normalizers)] for text in texts]


def edits(reference, hypothesis):
    """Levenshtein alignment over the whole matrix, traced back as rapidfuzz does: substitutions, deletions, insertions, hits."""
    hits = 0
    while reference and hypothesis and reference[0] == hypothesis[0]:
        reference, hypothesis, hits = reference[1:], hypothesis[1:], hits + 1
    while reference and hypothesis and reference[-1] == hypothesis[-1]:
        reference, hypothesis, hits = reference[:-1], hypothesis[:-1], hits + 1
    n, m = len(reference), len(hypothesis)
    d = [[i + j if i == 0 or j == 0 else 0 for j in range(m + 1)] for i in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]))
    substitutions = deletions = insertions = 0
    i, j = n, m
    while i and j:
        if d[i][j] == d[i - 1][j] + 1:
            i, deletions = i - 1, deletions + 1
        elif d[i][j - 1] == d[i - 1][j - 1] - 1:
            j, insertions = j - 1, insertions + 1
        else:
            i, j = i - 1, j - 1
            substitutions += reference[i] != hypothesis[j]
            hits += reference[i] == hypothesis[j]
    return [substitutions, deletions + i, insertions + j, hits]


def wer_cases():
    cases = []
    for k in range(80):
        words = "a b c d e".split(" ")[: RNG.randint(1, 5)]
        reference = [RNG.choice(words) for _ in range(RNG.randint(0 if k % 10 == 0 else 1, 14))]
        hypothesis = [RNG.choice(words) for _ in range(RNG.randint(0, 14))]
        if k % 2:  # an edited copy
            hypothesis = [RNG.choice([w, w, w, "x"]) for w in reference if RNG.random() < 0.9]
        texts = [" ".join(reference), " ".join(hypothesis)]
        cases.append([*texts, edits(reference, hypothesis), edits(list(texts[0]), list(texts[1]))])
    return cases


make_tokenizer()
write("tokenizer-cases.json", tokenizer_cases(), indent=None)
write("normalizer-cases.json", normalizer_cases())
write("wer-cases.json", wer_cases())
