"""Logs what every optimizer step did: loss, perplexity, gradient norm, learning rate, epoch, skipped steps.

Loss and gradient norm are handed on as tensors: the loggers decide when to wait for the device.
"""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from ftlab import logger, metric
from ftlab.callbacks.result import StepResult


class LossLog(Callback):
    """Logs the training loss and what belongs to it at every optimizer step."""

    def __init__(self) -> None:
        self._learning_rate = 0.0
        self._skipped_steps = 0

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Takes the learning rate of this step; at the end of the batch the schedule has moved on already."""
        self._learning_rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the step."""
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        self._skipped_steps += step.skipped
        values = {
            metric.TRAIN_LOSS: step.loss,
            metric.TRAIN_PERPLEXITY: step.loss.double().exp(),
            metric.TRAIN_EPOCH: trainer.datamodule.epoch_at(trainer.global_step),  # type: ignore[attr-defined]
            metric.LEARNING_RATE: self._learning_rate,
            metric.SKIPPED_STEPS: self._skipped_steps,
        }
        if step.grad_norm is not None:
            values[metric.GRAD_NORM] = step.grad_norm
        logger.log(trainer, values, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The count of skipped steps, which a resumed run goes on with."""
        return {"skipped_steps": self._skipped_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the count from a checkpoint."""
        self._skipped_steps = state_dict["skipped_steps"]
