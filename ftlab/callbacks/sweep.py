"""Tells the launcher of a sweep how far this run is; does nothing where there is none."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import metric
from ftlab.callbacks.memory import MemoryLog
from ftlab.callbacks.result import StepResult
from hydra_plugins.hydra_gpu_pool_launcher import progress


class SweepProgress(Callback):
    """Reports step, loss and peak memory to `hydra/launcher=gpu_pool`, whose table shows them.

    Args:
        every_s: Seconds between two reports: each waits for the device.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._told_s = 0.0
        self._loss: float | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Reports the step if it is time."""
        if self._is_due(trainer):
            step: StepResult = pl_module.last_step  # type: ignore[assignment]
            self._loss = step.loss.item()
            self._tell(trainer)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Reports that held-out rows are evaluated, if it is time."""
        if self._is_due(trainer):
            self._tell(trainer, note=f"evaluating {batch_idx + 1}/{trainer.num_val_batches[dataloader_idx]}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the held-out loss in the table, or the last step's where there are no held-out rows."""
        if trainer.is_global_zero and progress.is_watched() and trainer.global_step > 0:
            last: StepResult = pl_module.last_step  # type: ignore[assignment]
            held_out = trainer.callback_metrics.get(metric.VAL_LOSS)
            self._loss = (last.loss if held_out is None else held_out).item()
            self._tell(trainer)

    def _is_due(self, trainer: Trainer) -> bool:
        is_watched = trainer.is_global_zero and progress.is_watched()
        return is_watched and time.monotonic() - self._told_s >= self._every_s

    def _tell(self, trainer: Trainer, note: str | None = None) -> None:
        self._told_s = time.monotonic()
        memory = [callback.peak_bytes for callback in trainer.callbacks if isinstance(callback, MemoryLog)]  # type: ignore[attr-defined]
        progress.report(
            step=trainer.global_step,
            steps=int(trainer.num_training_batches),
            loss=self._loss,
            memory_bytes=next(iter(memory), None),
            note=note,
        )
