"""Shows how far a run is: a bar on a terminal, and plain lines where the output goes to a file.

One bar counts optimizer steps; while held-out rows are evaluated it says so in its place. Values are read from the
device a few times a second at most.
"""

import time
from collections import deque
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

from ftlab import metric
from ftlab.callbacks.result import StepResult

RECENT_STEPS = 20
"""Steps whose mean pace is shown."""


class ProgressBar(Callback):
    """Shows step, loss, held-out loss, tokens a second and the time left.

    Args:
        every_s: Seconds between two updates of the bar.
        line_every_s: Seconds between two lines where there is no terminal; each evaluation adds one.
        console: Where to; None takes standard output.
    """

    def __init__(self, every_s: float = 0.25, line_every_s: float = 10.0, console: Console | None = None) -> None:
        self._every_s = every_s
        self._line_every_s = line_every_s
        self._console = console
        self._bar: Progress | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_STEPS)
        self._shown_s = self._start_s = self._step_s = 0.0
        self._start_step = self._shown_step = 0
        self._val_loss = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the empty bar."""
        if not trainer.is_global_zero:
            return
        console = self._console = self._console or Console()
        self._start_s = time.monotonic()
        self._start_step = trainer.global_step
        self._recent.clear()
        if console.is_terminal and not console.is_dumb_terminal:
            self._bar = _bar(console)
            self._bar.add_task("Training", total=trainer.num_training_batches, completed=trainer.global_step, values="")
            self._bar.start()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the clock of a step."""
        self._step_s = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows the step if it is time."""
        if self._console is None:
            return
        now_s = time.monotonic()
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        self._recent.append((now_s - self._step_s, step.tokens))
        is_first = trainer.global_step == self._start_step + 1
        if is_first or now_s - self._shown_s >= (self._every_s if self._bar else self._line_every_s):
            self._show(trainer, step)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Says that held-out rows are evaluated."""
        if self._bar is not None:
            of = trainer.num_val_batches[dataloader_idx]
            self._bar.update(self._bar.task_ids[0], description=f"Evaluating {batch_idx + 1}/{of}", refresh=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the held-out loss."""
        if self._console is not None and metric.VAL_LOSS in trainer.callback_metrics:
            self._val_loss = f"held-out {trainer.callback_metrics[metric.VAL_LOSS].item():.3f}"
            self._show(trainer, getattr(pl_module, "last_step", None))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the finished bar on the screen, or the last step's line."""
        if self._console is not None and self._shown_step < trainer.global_step:
            self._show(trainer, pl_module.last_step)  # type: ignore[arg-type]
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves the bar where it stopped, so that the message that follows stands below it."""
        self._stop()

    def _show(self, trainer: Trainer, step: StepResult | None) -> None:
        assert self._console is not None
        done, total = trainer.global_step, int(trainer.num_training_batches)
        self._shown_s, self._shown_step = time.monotonic(), done
        loss = f"loss {step.loss.item():.3f}" if step is not None else ""
        values = "  ".join(filter(None, (loss, self._val_loss, self._pace(), self._left(done, total))))
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, description="Training", values=values)
        else:
            self._console.print(f"step {done}/{total}  {values}", highlight=False, soft_wrap=True)

    def _pace(self) -> str:
        seconds = sum(step_s for step_s, _ in self._recent)
        return f"{sum(tokens for _, tokens in self._recent) / seconds:,.0f} tok/s" if seconds else ""

    def _left(self, done: int, total: int) -> str:
        """Time to the end at the pace since the start, evaluations included."""
        steps = done - self._start_step
        if steps <= 0 or done >= total:
            return ""
        left_s = (time.monotonic() - self._start_s) / steps * (total - done)
        return f"{timedelta(seconds=round(left_s))} left"

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=14),
        TaskProgressColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[values]}", table_column=Column(no_wrap=True, overflow="crop")),
        console=console,
    )
