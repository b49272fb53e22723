"""Tells of steps that ran out of memory and were run again: log line, metrics, W&B alert, list for the run card."""

import logging
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import logger, metric
from ftlab.callbacks.result import OomEvent, StepResult
from ftlab.logger.wandb import WandbRun

_log = logging.getLogger(__name__)


class OomLog(Callback):
    """Logs the retries so far and the micro-batch budget in force at every step, and each retry when it happens.

    Attributes:
        events: All retries, as plain data for the run card; those of earlier attempts too, if the run was resumed.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, int]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the step."""
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        for event in step.oom_events:
            self._tell(trainer, event)
        values = {
            metric.OOM_RETRIES: len(self.events),
            metric.MICRO_BATCH_TOKENS: pl_module.runner.micro_batch_tokens,  # type: ignore[union-attr]
        }
        logger.log(trainer, values, trainer.global_step)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """The events, which a resumed run goes on counting from."""
        return {"events": self.events}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the events from a checkpoint."""
        self.events = list(state_dict["events"])

    def _tell(self, trainer: Trainer, event: OomEvent) -> None:
        self.events.append(asdict(event))  # type: ignore[call-overload]
        memory = f" ({event.allocated / 2**30:.2f} GiB in tensors, {event.reserved / 2**30:.2f} GiB reserved)"
        text = (
            f"Out of memory at step {event.step}{memory if event.reserved else ''}; its longest row has "
            f"{event.longest_row} tokens. The same rows were run again: micro-batches now hold "
            f"{event.budget_after} tokens instead of {event.budget_before}."
        )
        _log.warning(text)
        for run in trainer.loggers:
            if isinstance(run, WandbRun):
                run.alert("Out of memory, step repeated", text)
