"""Logs how fast training goes: tokens a second without padding, the seconds of a step, and those since the start.

The clock runs from the start of a step's batch to the end of its update: evaluation and checkpoints don't count.
"""

import time
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import logger, metric
from ftlab.callbacks.result import StepResult


@dataclass(frozen=True, slots=True)
class Throughput:
    """The pace of a run.

    Attributes:
        tokens_per_s: Tokens that reached the model a second, padding not counted.
        supervised_tokens_per_s: Tokens that carried loss a second.
        step_s: Mean seconds of a step.
        idle_share: Share of the time, steps and pauses together, in which the device waited; None = not measured.
        steps: Steps that were measured.
    """

    tokens_per_s: float
    supervised_tokens_per_s: float
    step_s: float
    idle_share: float | None
    steps: int


class ThroughputLog(Callback):
    """Logs each step's pace and keeps the mean.

    Args:
        warm_up_steps: First steps of each start that the mean leaves out (kernels are chosen, memory is first
            allocated); a run that has no more steps than that counts all.
    """

    def __init__(self, warm_up_steps: int = 3) -> None:
        self.warm_up_steps = warm_up_steps
        self._steps: list[tuple[float, int, int]] = []
        self._idle: list[tuple[float, float] | None] = []
        self._begin_s = self._start_s = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets an earlier fit."""
        self._steps, self._idle = [], []
        self._start_s = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the clock."""
        self._begin_s = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops the clock; the step has read its gradient norm by now, so the device has done its work."""
        step_s = time.perf_counter() - self._begin_s
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        self._steps.append((step_s, step.tokens, step.supervised_tokens))
        values = {
            metric.TOKENS_PER_S: step.tokens / step_s,
            metric.SUPERVISED_TOKENS_PER_S: step.supervised_tokens / step_s,
            metric.STEP_S: step_s,
            metric.ELAPSED_S: time.perf_counter() - self._start_s,
        }
        self._idle.append(None if step.idle_s is None else (step.idle_s, step_s))
        if step.idle_s is not None:
            values[metric.IDLE_S] = step.idle_s
        logger.log(trainer, values, trainer.global_step)

    def summary(self) -> Throughput | None:
        """Returns the pace without warm-up, weighted by time; None before the first step."""
        steps = self._steps[self.warm_up_steps :] or self._steps
        if not steps:
            return None
        seconds, tokens, supervised = (sum(column) for column in zip(*steps, strict=True))
        pauses = [pause for pause in self._idle[self.warm_up_steps :] or self._idle if pause is not None]
        idle_s = sum(pause for pause, _ in pauses)
        share = idle_s / (idle_s + sum(step_s for _, step_s in pauses)) if pauses else None
        return Throughput(tokens / seconds, supervised / seconds, seconds / len(steps), share, len(steps))
