"""Makes trainer.json: the log of 200 steps by transformers' own Seq2SeqTrainer in float32, with and without accumulation.

  npm run build && node test/golden/train/export.mjs /tmp/run && python test/golden/train/trainer.py /tmp/run

Needs torch 2.13 and transformers 5.17. The order of the rows is that of the file. Accumulation weighs micro-batches by
their tokens, as transformers has it since 4.46 (5.17 by itself forgets to divide Whisper's loss: its issue 46068).
"""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import SequentialSampler
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, WhisperForConditionalGeneration

sys.path.append(str(Path(__file__).parent.parent / "model"))
from log_mel import log_mel  # noqa: E402

folder = Path(sys.argv[1])
data = json.loads((folder / "rows.json").read_text())
rows = data["rows"]
hyper = {"steps": 200, "batch": 4, "learningRate": 1e-4, "warmup": 20, "weightDecay": 0.01}


class InOrder(Seq2SeqTrainer):
    def _get_train_sampler(self, *given):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(**inputs)
        logits, labels = outputs.logits.float().flatten(0, 1), inputs["labels"].flatten()
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / num_items_in_batch
        return (loss, outputs) if return_outputs else loss


def collate(batch):
    width = max(len(row["labels"]) for row in batch)
    labels = torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in batch])
    return {"input_features": torch.tensor(np.stack([row["features"] for row in batch]), dtype=torch.float32), "labels": labels}


def train(accumulation):
    model = WhisperForConditionalGeneration.from_pretrained(folder / "initial", attn_implementation="eager")
    model.model.encoder.embed_positions.requires_grad_(False)  # from_pretrained forgets it, in 5.17
    frames = 2 * model.config.max_source_positions
    for row in rows:
        row["features"] = log_mel(np.array(row["samples"]), model.config.num_mel_bins, frames)
    with tempfile.TemporaryDirectory() as out:
        arguments = Seq2SeqTrainingArguments(
            output_dir=out, max_steps=hyper["steps"], per_device_train_batch_size=hyper["batch"],
            gradient_accumulation_steps=accumulation, learning_rate=hyper["learningRate"], warmup_steps=hyper["warmup"],
            weight_decay=hyper["weightDecay"], logging_steps=1, save_strategy="no", report_to=[], use_cpu=True,
            disable_tqdm=True, optim="adamw_torch", remove_unused_columns=False,
        )
        trainer = InOrder(model=model, args=arguments, train_dataset=rows, data_collator=collate)
        trainer.compute_loss_func = trainer.compute_loss  # where there is one, the loss is not divided once more
        trainer.train()
        return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


golden = {"hyper": hyper, "losses": {str(count): train(count) for count in (1, 2)}}
path = Path(__file__).parent / "trainer.json"
path.write_text(json.dumps(golden) + "\n")
for count, losses in golden["losses"].items():
    print(f"{path}: accumulation {count}: {len(losses)} losses, {losses[0]:.4f} -> {losses[-1]:.4f}")
