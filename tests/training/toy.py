"""A two-layer Llama, rows of random tokens, and a run of them: what the tests of the engine share."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import Strategy
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from ftlab import metric
from ftlab.data.datamodule import RowsDataModule
from ftlab.data.row import EncodedRow
from ftlab.optimizer.schedule import build_schedule
from ftlab.training.module import TrainModule
from ftlab.training.step import OomEvent
from ftlab.training.trainer import build_trainer, fit

VOCABULARY = 48


def toy_model(*, dropout: float = 0.0, dtype: torch.dtype = torch.float32, **changes: Any) -> LlamaForCausalLM:
    """The same weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        config = LlamaConfig(
            **{
                "vocab_size": VOCABULARY,
                "hidden_size": 16,
                "intermediate_size": 24,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "attention_dropout": dropout,
                "attn_implementation": "sdpa",
                "pad_token_id": 0,
                "bos_token_id": None,
                "eos_token_id": None,
                **changes,
            }
        )
        return LlamaForCausalLM(config).to(dtype)


def toy_rows(count: int, *, seed: int = 0, first_id: int = 0, shortest: int = 3, longest: int = 14) -> list[EncodedRow]:
    """Rows of different lengths; the answer is the second half, and its first tokens repeat the question's."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for index in range(count):
        length = int(torch.randint(shortest, longest + 1, (), generator=generator))
        ids = torch.randint(1, VOCABULARY, (length,), generator=generator)
        ids[length // 2 :] = ids[: length - length // 2].clone()
        rows.append(EncodedRow(first_id + index, ids, torch.arange(length) >= length // 2))
    return rows


class PlainMethod:
    """A method that adds nothing to a step."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        return None

    def after_step(self, model: nn.Module, step: int) -> None:
        self.steps.append(step)

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        return {}

    def restore(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        pass


class Recorder(Callback):
    """Keeps what each step and each validation gave, as exact numbers."""

    def __init__(self) -> None:
        self.losses: dict[int, float] = {}
        self.norms: dict[int, float] = {}
        self.rates: dict[int, float] = {}
        self.rows: dict[int, tuple[int, ...]] = {}
        self.validations: dict[int, float] = {}
        self.oom_events: list[OomEvent] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, result = trainer.global_step, pl_module.last_step
        self.losses[step] = result.loss.item()
        self.norms[step] = result.grad_norm.item()
        self.rates[step] = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows[step] = result.row_ids
        self.oom_events += result.oom_events

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validations[trainer.global_step] = trainer.callback_metrics[metric.VAL_LOSS].item()


def toy_module(model: nn.Module, **changes: Any) -> TrainModule:
    """A module around a model, with settings that tests change by keyword."""
    settings: dict[str, Any] = {
        "method": PlainMethod(),
        "optimizer": partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.1),
        "schedule": build_schedule("cosine", total_steps=6, warmup=2),
        "total_steps": 6,
        "layout": "packed",
        "micro_batch_tokens": 64,
        "pad_id": 0,
        "seed": 1,
        **changes,
    }
    return TrainModule(model, **settings)


def run_toy(
    folder: Path,
    module: TrainModule,
    *,
    steps: int = 6,
    rows: Sequence[EncodedRow] | None = None,
    batch_rows: int = 8,
    start_step: int = 0,
    checkpoint: Path | None = None,
    callbacks: Sequence[Callback] = (),
    precision: str = "32-true",
    max_grad_norm: float | None = 1.0,
    eval_every_steps: int = 2,
    accelerator: str = "cpu",
    devices: int = 1,
    strategy: Strategy | str = "auto",
) -> tuple[Recorder, Trainer]:
    """Trains, and returns what happened."""
    recorder = Recorder()
    trainer = build_trainer(
        folder=folder,
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        precision=precision,
        eval_every_steps=eval_every_steps,
        max_grad_norm=max_grad_norm,
        callbacks=[*callbacks, recorder],
        progress_bar=False,
    )
    datamodule = RowsDataModule(
        rows if rows is not None else toy_rows(24),
        toy_rows(6, seed=9, first_id=1000),
        batch_rows=batch_rows,
        epochs=1,
        max_steps=steps,
        seed=3,
        validation_tokens=32,
        layout="padded",
        start_step=start_step,
    )
    fit(trainer, module, datamodule, checkpoint)
    return recorder, trainer
