# Event files as torch's SummaryWriter makes them, with the clock standing still: test/report/event-file.test.ts
# compares bytes. Needs torch and tensorboard.
import glob
import os
import shutil
import tempfile
import time

from torch.utils.tensorboard import SummaryWriter

here = os.path.dirname(os.path.abspath(__file__))
NOW = 1670241600.25
time.time = lambda: NOW

folder = tempfile.mkdtemp()
writer = SummaryWriter(log_dir=folder)
writer.add_text("args", '{"a": 1}')
writer.add_scalar("train/loss", 1.5, 25)
writer.add_scalar("eval/wer", 32.09, 3_000_000_000)
writer.close()
shutil.copy(glob.glob(f"{folder}/events*")[0], f"{here}/scalars.tfevents")

writer = SummaryWriter(log_dir=f"{folder}/more")
# One option, as torch writes a map in the order of its hashes.
writer.add_hparams({"optim": "adamw_hf"}, {"eval/wer": 12.5})
writer.close()
shutil.copy(glob.glob(f"{folder}/more/*/events*")[0], f"{here}/hparams.tfevents")
