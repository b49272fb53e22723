"""Where the run's numbers go: the metrics file (the record), W&B and TensorBoard (its mirrors).

Everything is logged through `log`, so that every logger gets the same values at the same optimizer step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from torch import Tensor


def log(trainer: Trainer, values: Mapping[str, float | Tensor], step: int) -> None:
    """Gives all loggers the same values; costs no wait for the device (`StepLogger` says when it reads tensors).

    Args:
        trainer: Whose loggers.
        values: Numbers, or tensors of shape [] on any device, by key (`ftlab.metric`).
        step: Optimizer steps done. It never goes down within a run.
    """
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            logger.log_metrics(dict(values), step)  # type: ignore[arg-type]  # ours, and TensorBoard, take tensors


def flush(trainer: Trainer) -> None:
    """Writes out what loggers still hold. A checkpoint is saved after this, so that no step before it lacks its line.

    Args:
        trainer: Whose loggers.
    """
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            getattr(logger, "flush", logger.save)()
