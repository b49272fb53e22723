"""Ends a sweep: what all its jobs come to is compared, shown and written, however they ended.

Hydra tells its callbacks that a multirun ends only where every job ended well. So the callback here remembers the
sweep when it begins, and the command line asks for the comparison when it is over.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ftlab.report.card import REASON


@dataclass(frozen=True, slots=True)
class _Begun:
    """A sweep of this process."""

    folder: Path
    by: Sequence[str] | None
    price_per_hour: float | None


_begun: list[_Begun] = []


class SweepComparison(Callback):
    """Remembers a sweep of training runs, so that `compare_sweep` shows what it comes to.

    Args:
        show: Whether it is compared at its end at all.
        by: Keys that make the rows; None = all that were swept but seeds and learning rates.
        price_per_hour: What an hour of the hardware costs; None = no costs.
    """

    def __init__(
        self, *, show: bool = True, by: Sequence[str] | None = None, price_per_hour: float | None = None
    ) -> None:
        self._show, self._by, self._price_per_hour = show, by, price_per_hour

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remembers the sweep's folder; other tasks than training leave nothing to compare.

        Args:
            config: The multirun's configuration.
            kwargs: What else Hydra tells.
        """
        if self._show and config.task.name == "train":
            folder = Path(config.hydra.sweep.dir).absolute()
            _begun.append(_Begun(folder, self._by and list(self._by), self._price_per_hour))


def compare_sweep() -> None:
    """Shows and writes what the sweep of this process comes to; does nothing where there was none.

    The exit code and the jobs' own messages stand, whatever happens here: what can't be shown is said in one line.
    """
    while _begun:
        sweep = _begun.pop()
        try:
            if any(sweep.folder.glob("*/")):
                _compare(sweep)
        except (Exception, KeyboardInterrupt) as error:
            command = f"python -m ftlab task=report runs={sweep.folder}"
            sys.stderr.write(f"The sweep could not be compared ({type(error).__name__}: {error}). Again: {command}\n")


def leave_reason(folder: Path, error: Exception) -> None:
    """Writes why a job failed into its folder: it may not have got as far as a card.

    Args:
        folder: The job's.
        error: What ended it.
    """
    with contextlib.suppress(OSError):
        (folder / REASON).write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8", errors="backslashreplace")


def _compare(sweep: _Begun) -> None:
    from ftlab.report.sweep.read import read_sweep
    from ftlab.report.sweep.write import write_comparison

    write_comparison(read_sweep(sweep.folder), by=sweep.by, price_per_hour=sweep.price_per_hour)
