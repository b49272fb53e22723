"""Logs what every optimizer step did: loss, perplexity, gradient norm, learning rate, epoch, skipped steps.

Loss and gradient norm are handed on as tensors: the loggers decide when to wait for the device.
"""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import logger, metric
from ftlab.callbacks.result import StepResult


class LossLog(Callback):
    """Logs the training loss and what belongs to it at every optimizer step."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the step. The learning rate is that of the first parameter group."""
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        values = {
            metric.TRAIN_LOSS: step.loss,
            metric.TRAIN_PERPLEXITY: step.loss.double().exp(),
            metric.TRAIN_EPOCH: trainer.datamodule.epoch_at(trainer.global_step),  # type: ignore[attr-defined]
            metric.LEARNING_RATE: trainer.optimizers[0].param_groups[0]["lr"],
            metric.SKIPPED_STEPS: len(pl_module.skipped.rows),  # type: ignore[union-attr, arg-type]
        }
        if step.grad_norm is not None:
            values[metric.GRAD_NORM] = step.grad_norm
        logger.log(trainer, values, trainer.global_step)
