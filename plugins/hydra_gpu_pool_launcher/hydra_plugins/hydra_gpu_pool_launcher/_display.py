"""How the sweep is shown while it runs: a live table on a terminal, plain lines elsewhere."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status
from hydra_plugins.hydra_gpu_pool_launcher._words import duration, labels

log = logging.getLogger("hydra_plugins.hydra_gpu_pool_launcher")

TABLE_EVERY_S = 0.5


class Display(Protocol):
    """What shows a sweep."""

    def say(self, text: str) -> None:
        """Shows a message that stays."""

    def update(self, jobs: Sequence[Job]) -> None:
        """Shows where the jobs stand, if it is time."""

    def close(self, jobs: Sequence[Job]) -> None:
        """Shows where the jobs stand at the end."""


class Lines:
    """Plain lines through Hydra's logging.

    Args:
        every_s: Seconds between two lines about the running jobs.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._shown_s = time.monotonic()

    def say(self, text: str) -> None:
        """Logs a message."""
        log.info(text)

    def update(self, jobs: Sequence[Job]) -> None:
        """Logs a line about the running jobs."""
        if time.monotonic() - self._shown_s < self._every_s:
            return
        self._shown_s = time.monotonic()
        counts = Counter(job.status for job in jobs)
        told = ", ".join(f"{counts[kind]} {kind}" for kind in Status if counts[kind])
        names = labels(jobs)
        running = [job for job in jobs if job.status == Status.RUNNING]
        self.say("; ".join([told, *(f"#{job.num} {names[job.num]}{_progress(job)}" for job in running)]))

    def close(self, jobs: Sequence[Job]) -> None:
        """Nothing more is to be said."""


class LiveTable:
    """A table that is drawn anew in place; messages scroll above it.

    Args:
        console: A rich console on a terminal.
        slots: How many jobs run at a time.
    """

    def __init__(self, console: Any, slots: int) -> None:
        from rich.live import Live

        self._console = console
        self._slots = slots
        self._shown_s = 0.0
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()

    def say(self, text: str) -> None:
        """Prints a message above the table."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def update(self, jobs: Sequence[Job]) -> None:
        """Draws the table."""
        if time.monotonic() - self._shown_s >= TABLE_EVERY_S:
            self._draw(jobs)

    def close(self, jobs: Sequence[Job]) -> None:
        """Leaves the last table on the screen."""
        self._draw(jobs)
        self._live.stop()

    def _draw(self, jobs: Sequence[Job]) -> None:
        from hydra_plugins.hydra_gpu_pool_launcher._table import draw

        self._shown_s = time.monotonic()
        width, lines = self._console.size
        self._live.update(draw(jobs, self._slots, width, lines, time.time()), refresh=True)


def open_display(slots: int, line_every_s: float) -> Display:
    """Returns a live table if standard output is a terminal and rich is installed, else plain lines.

    Args:
        slots: How many jobs run at a time.
        line_every_s: As in `GpuPoolLauncherConf`.
    """
    try:
        from rich.console import Console
    except ImportError:
        return Lines(line_every_s)
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveTable(console, slots)
    return Lines(line_every_s)


def _progress(job: Job) -> str:
    told = job.progress
    parts = [f"step {told['step']}/{told.get('steps', '?')}"] if "step" in told else []
    parts += [f"loss {told['loss']:.4g}"] if "loss" in told else []
    return f" ({', '.join([*parts, duration(job.seconds)])})"
