"""Makes files of optimizers with PyTorch and transformers, and beside each what whisper-tune should make of it.

  python make.py

Everything goes through Trainer.create_optimizer, so that groups and their order are transformers' own. bitsandbytes is not
asked: its files are laid out here as its optimizer.py does (Optimizer8bit.state_dict, Optimizer2State.init_state), with
made-up codes.

  model/                 a Whisper model of 3,000 parameters
  groups.json            names of the parameters of both groups, by what is frozen
  OPTIMIZER.pt           after two updates of it (bitsandbytes: made up)
  OPTIMIZER.safetensors  the same by name
"""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Trainer, TrainingArguments, WhisperConfig, WhisperForConditionalGeneration

here = Path(__file__).parent
sizes = dict(
    vocab_size=20, d_model=8, num_mel_bins=4, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=12, decoder_ffn_dim=12, max_source_positions=6, max_target_positions=5,
    pad_token_id=17, bos_token_id=17, eos_token_id=17, decoder_start_token_id=18, begin_suppress_tokens=None,
)


def new_model(**more):
    torch.manual_seed(1)
    return WhisperForConditionalGeneration(WhisperConfig(**{**sizes, **more}))


def trainer_of(model, optim, **more):
    args = TrainingArguments(
        output_dir="/tmp/unused", optim=optim, learning_rate=1e-3, weight_decay=0.01, adam_beta2=0.98, max_steps=10,
        warmup_steps=2, report_to=[], use_cpu=True, **more,
    )
    trainer = Trainer(model, args)
    trainer.create_optimizer_and_scheduler(10)
    return trainer


def group_names(model, optimizer):
    names = {id(p): n for n, p in model.named_parameters()}
    return [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups]


def update(model, trainer, steps=2):
    frames = 2 * sizes["max_source_positions"]
    for step in range(steps):
        g = torch.Generator().manual_seed(step)
        features = torch.randn(3, sizes["num_mel_bins"], frames, generator=g)
        labels = torch.randint(0, 16, (3, 4), generator=g)
        model(input_features=features, labels=labels).loss.backward()
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
        trainer.optimizer.zero_grad()


def save(name, state, names, kinds, step):
    """The .pt as it is and the tensors of `kinds` by name, with metadata for whisper-tune."""
    torch.save(state, here / f"{name}.pt")
    tensors = {}
    for index, entry in state["state"].items():
        entry = {**entry, **entry.get("__bnb_optimizer_quant_state__", {})}
        for kind in kinds:
            if kind.startswith("qmap") and kind in entry:
                tensors[kind] = entry[kind]
            elif kind in entry:
                tensors[f"{kind}.{names[index]}"] = entry[kind].clone()
    save_file(tensors, here / f"{name}.safetensors", metadata={"step": str(step)})
    (here / f"{name}.safetensors").chmod(0o644)


def real(name, optim, kinds, freeze=False, positions=False):
    model = new_model()
    if freeze:
        model.freeze_encoder()
    model.model.encoder.embed_positions.requires_grad_(positions)
    trainer = trainer_of(model, optim)
    update(model, trainer)
    names = sum(group_names(model, trainer.optimizer), [])
    save(name, trainer.optimizer.state_dict(), names, kinds, 2)


def groups():
    result = {}
    for name, prepare in {
        "all": lambda model: None,
        "frozen encoder": lambda model: model.freeze_encoder(),
        "trained positions": lambda model: model.model.encoder.embed_positions.requires_grad_(True),
    }.items():
        model = new_model(encoder_layers=2, decoder_layers=2)
        prepare(model)
        result[name] = group_names(model, trainer_of(model, "adamw_torch").optimizer)
    (here / "groups.json").write_text(json.dumps(result, indent=1) + "\n")


def bitsandbytes(name, block, nested, paged=False):
    """One convolution and two linear layers of 4,096 elements or more have states in 8 bits."""
    config = dict(num_mel_bins=171, encoder_ffn_dim=512)
    model = new_model(**config)
    names = sum(group_names(model, trainer_of(model, "adamw_torch").optimizer), [])
    parameters = dict(model.named_parameters())
    g = torch.Generator().manual_seed(3)
    # Not the maps: the loader must take what the file has.
    qmaps = {"qmap1": torch.linspace(-1, 1, 256), "qmap2": torch.linspace(0, 1, 256)}
    state = {}
    for index, parameter in enumerate(names):
        shape = parameters[parameter].shape
        if shape.numel() < 4096:
            quantised = {"state1": torch.randn(shape, generator=g), "state2": torch.rand(shape, generator=g)}
        else:
            blocks = -(-shape.numel() // block)
            quantised = {
                "state1": torch.randint(0, 256, shape, generator=g, dtype=torch.uint8),
                "state2": torch.randint(0, 256, shape, generator=g, dtype=torch.uint8),
                **qmaps,
                "absmax1": torch.rand(blocks, generator=g),
                "absmax2": torch.rand(blocks, generator=g),
            }
            if paged:  # functional.py: get_paged
                for key in ("state1", "state2"):
                    quantised[key].is_paged, quantised[key].page_deviceid = True, 0
        state[index] = {"step": 7, "__bnb_optimizer_quant_state__": quantised} if nested else {"step": 7, **quantised}
    rates = dict(lr=1e-4, betas=(0.9, 0.999), eps=1e-8)
    more = dict(alpha=0.0, t_alpha=None, t_beta3=None) if nested else {}
    decayed = sum("bias" not in n and "norm" not in n for n in names)
    param_groups = [
        {**rates, "weight_decay": 0.01, **more, "initial_lr": 1e-4, "params": list(range(decayed))},
        {**rates, "weight_decay": 0.0, **more, "initial_lr": 1e-4, "params": list(range(decayed, len(names)))},
    ]
    kinds = ["state1", "state2", "absmax1", "absmax2", "qmap1", "qmap2"]
    save(name, {"state": state, "param_groups": param_groups}, names, kinds, 7)
    model.config.save_pretrained(here / "model-8bit")


def fails():
    """What is no state of ours: a pickle that runs a command."""
    import os

    class Command:
        def __reduce__(self):
            return os.system, ("true",)

    torch.save({"state": {}, "param_groups": [Command()]}, here / "command.pt")


if __name__ == "__main__":
    for folder in ("model", "model-8bit"):
        shutil.rmtree(here / folder, ignore_errors=True)
    new_model().save_pretrained(here / "model")
    (here / "model" / "generation_config.json").unlink()
    moments = ["exp_avg", "exp_avg_sq"]
    real("adamw_torch", "adamw_torch_fused", moments)
    factors = ["exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq"]
    real("adafactor", "adafactor", factors)
    real("adafactor-frozen-encoder", "adafactor", factors, freeze=True)
    real("adafactor-trained-positions", "adafactor", factors, positions=True)
    real("sgd", "sgd", [])
    groups()
    bitsandbytes("adamw_bnb_8bit", 256, nested=True, paged=True)
    bitsandbytes("adamw_bnb_8bit-before-0.44", 2048, nested=False)
    fails()
