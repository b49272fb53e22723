"""What all loggers have in common that show elsewhere what the metrics file records.

The metrics file is the record. A mirror never ends a run: what it can't do is said once, and the run goes on. Its id
lies in the run folder, so that a resumed run goes on under the same one, and the rows of earlier attempts can be logged
anew from the record.
"""

import contextlib
import logging
import secrets
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from ftlab import metric
from ftlab.logger.csv import FILE, read_metrics
from ftlab.logger.secret import redact
from ftlab.logger.step import StepLogger

_log = logging.getLogger(__name__)


class Mirror(StepLogger):
    """A logger whose rows are shown by a service or a program of others.

    Args:
        folder: The run folder.
        service: What that is called, for messages.
        id_file: The file in the run folder that keeps the run's id there.
        every_steps: See `StepLogger`.
    """

    def __init__(self, folder: str | Path, service: str, id_file: str, every_steps: int = 1) -> None:
        super().__init__(every_steps)
        self.folder = Path(folder)
        self._service = service
        self._id_file = self.folder / id_file
        self._config: dict[str, Any] = {}
        self._resumed_at: int | None = None
        self._run: Any = None
        self._was_started = False
        self._complained = False

    @property
    def version(self) -> str:
        """The run's id: the same in every attempt."""
        if not self._id_file.exists():
            self._id_file.write_text(secrets.token_hex(4))
        return self._id_file.read_text().strip()

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.folder)

    def resume_at(self, step: int, attempt: int) -> None:
        """Remembers which rows the earlier attempts wrote."""
        super().resume_at(step, attempt)
        self._resumed_at = step

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Takes the configuration as nested plain data; secrets are left out."""
        self._config |= redact(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    def log_table(self, key: str, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds a table to the step's row.

        Args:
            key: Its name.
            step: Optimizer steps done.
            rows: The table's rows, all with the same columns; at least one.
        """
        with self._never_fatal(f"log the table {key}"):
            self.log_metrics({key: self._table(rows)}, step)

    @abstractmethod
    def _table(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """A table as the service takes it."""

    @abstractmethod
    def _start(self) -> Any:
        """Starts the run there, or goes on with it."""

    def _started(self) -> Any:
        """The run there, started when it is first asked for; None where it could not be."""
        if not self._was_started:
            self._was_started = True
            with self._never_fatal("start"):
                self._run = self._start()
        return self._run

    def _earlier_rows(self) -> Iterator[tuple[int, int, dict[str, float]]]:
        """Yields step, attempt and numbers of the earlier attempts' rows, up to where the run goes on from."""
        record = self.folder / FILE
        if self._resumed_at is None or not record.exists():
            return
        for row in read_metrics(record):
            step, attempt = int(row.pop(metric.STEP)), int(row.pop(metric.ATTEMPT))
            if step <= self._resumed_at:
                yield step, attempt, row

    @contextlib.contextmanager
    def _never_fatal(self, what: str) -> Iterator[None]:
        """Lets the run go on whatever the service raises; the first failure is said, the others are not."""
        try:
            yield
        except Exception as error:  # the run's own record is the metrics file: no failure of the mirror may end it
            if not self._complained:
                _log.warning(
                    "%s could not %s (%s); the run goes on, its record is %s.",
                    self._service, what, first_line(error), self.folder / FILE,
                )  # fmt: skip
            self._complained = True


def first_line(error: Exception) -> str:
    """Returns what an error says first, or its kind where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
