# What Hugging Face datasets makes of splits and of rows in turn: python make.py > golden.json (datasets, any recent version).
import json

from datasets import IterableDataset, interleave_datasets
from datasets.arrow_reader import ReadInstruction

SPECS = [
    "train", "train[:10%]", "train[10%:]", "train[100:200]", "train[-5%:]", "train[:-5%]", "train[-7:]", "train[:-7]",
    "train[5:3]", "train[3:3]", "train[1000:]", "train[:1000]", "train[-1000:5]", "train[33%:66%]", "train[25%:75%]",
    "train[:]", "train[:1%]+test[:5]", "train+test", "train[50%:]+test[-50%:]", "train[10:20%]", "train[1_0:2_0]",
    "train[:50%]", "train[-50%:]", "train[:0%]", "train[:100%]", "train[-100%:]",
]
SIZES = [{"train": train, "test": test} for train, test in [(237, 31), (5, 3), (101, 7), (1, 1), (150, 50), (25, 10)]]

slices = []
for sizes in SIZES:
    for spec in SPECS:
        ranges = ReadInstruction.from_spec(spec).to_absolute(sizes)
        slices.append({"sizes": sizes, "spec": spec, "ranges": [[r.splitname, r.from_, r.to] for r in ranges]})


def rows(name, count):
    for i in range(count):
        yield {"text": f"{name}{i}"}


LENGTHS = [(10, 4), (4, 10), (4, 4), (1, 3), (3, 1), (3, 5, 4), (5, 2, 7), (2, 2, 2), (6, 1, 1)]
mixtures = []
for strategy in ["first_exhausted", "all_exhausted", "all_exhausted_without_replacement"]:
    for lengths in LENGTHS:
        sets = [
            IterableDataset.from_generator(rows, gen_kwargs={"name": "abc"[i], "count": count})
            for i, count in enumerate(lengths)
        ]
        mixed = interleave_datasets(sets, stopping_strategy=strategy)
        texts = [row["text"] for row in mixed]
        mixtures.append({"strategy": strategy, "lengths": lengths, "texts": " ".join(texts)})

print(json.dumps({"slices": slices, "mixtures": mixtures}, separators=(",", ":")))
