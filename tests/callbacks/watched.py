"""A short run of the toy model under callbacks, and what its metrics file then holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger

from ftlab.data.datamodule import RowsDataModule
from ftlab.logger.csv import FILE, MetricsFile, read_metrics
from ftlab.training.module import TrainModule
from ftlab.training.trainer import build_trainer, fit
from tests.training.toy import toy_model, toy_module, toy_rows


def watch(
    folder: Path,
    callbacks: Sequence[Callback],
    *,
    loggers: Sequence[Logger] | None = None,
    steps: int = 6,
    eval_every_steps: int = 2,
    checkpoint: Path | None = None,
    start_step: int = 0,
    **module_changes: Any,
) -> tuple[list[dict[str, float]], Trainer, TrainModule]:
    """Trains on a CPU, from a checkpoint if there is one; 24 rows, 8 a step."""
    trainer = build_trainer(
        folder=folder,
        accelerator="cpu",
        eval_every_steps=eval_every_steps,
        max_grad_norm=1.0,
        callbacks=callbacks,
        loggers=[MetricsFile(folder)] if loggers is None else loggers,
        progress_bar=False,
    )
    datamodule = RowsDataModule(
        toy_rows(24),
        toy_rows(6, seed=9, first_id=1000),
        batch_rows=8,
        epochs=1,
        max_steps=steps,
        validation_tokens=32,
        start_step=start_step,
    )
    module = toy_module(toy_model(), total_steps=steps, **module_changes)
    fit(trainer, module, datamodule, checkpoint)
    file = folder / FILE
    return (read_metrics(file) if file.exists() else []), trainer, module
