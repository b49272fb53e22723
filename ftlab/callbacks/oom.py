"""Tells where memory ran out and what was run again: log line, metrics, W&B alert and table, list for the run card."""

import logging
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import logger, metric
from ftlab.callbacks.result import OomEvent, StepResult
from ftlab.logger.step import StepLogger

TABLE = "oom/events"
"""The key of W&B's table of events."""

_log = logging.getLogger(__name__)


class OomLog(Callback):
    """Logs the retries so far and the micro-batch budget in force at every step, and each retry when it happens.

    Attributes:
        events: All retries, as plain data for the run card; those of earlier attempts too, if the run was resumed.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

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

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells of evaluations that were run in smaller pieces."""
        events: list[OomEvent] = pl_module.evaluation_events  # type: ignore[assignment]
        while events:
            self._tell(trainer, events.pop(0))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gives W&B all events as a table."""
        for run in trainer.loggers:
            if self.events and isinstance(run, StepLogger):
                run.log_table(TABLE, trainer.global_step, self.events)

    def _tell(self, trainer: Trainer, event: OomEvent) -> None:
        self.events.append(asdict(event))  # type: ignore[call-overload]
        text = told(event)
        _log.warning(text)
        for run in trainer.loggers:
            if isinstance(run, StepLogger) and len(self.events) == 1:  # whoever watches needs one message, not all
                run.alert("Out of memory, run again", text)


def told(event: OomEvent) -> str:
    """Returns an event as sentences."""
    where = {
        "probe": "in the rehearsal of the largest step",
        "step": f"at step {event.step}",
        "update": f"in the update of step {event.step}",
        "evaluation": f"in the evaluation after step {event.step}",
    }[event.phase]
    memory = f" ({event.allocated / 2**30:.2f} GiB in tensors, {event.reserved / 2**30:.2f} GiB reserved)"
    rows = f"Out of memory {where}{memory if event.reserved else ''}; the longest row has {event.longest_row} tokens. "
    if event.phase == "update":
        return rows + "The update was run again with all cached memory free."
    if event.recompute is not None:
        return rows + f"The same rows were run again with recompute={event.recompute}: a row was alone already."
    scope = "its micro-batches held" if event.phase == "evaluation" else "micro-batches now hold"
    sizes = f"{scope} {event.budget_after} tokens instead of {event.budget_before}."
    return rows + f"The same rows were run again: {sizes}"
