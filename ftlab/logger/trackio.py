"""Trackio as a mirror of the metrics file: dashboards on this computer, without an account.

Trackio keeps the runs of a project in one SQLite file (in `$TRACKIO_DIR`, else in the Hugging Face cache), which
`trackio show --project ftlab` draws. Rows, configuration, sample answers and alerts are those of the other loggers. A
resumed run keeps its id; its rows in Trackio are written anew from the record, so that each step is there once.
"""

import contextlib
import importlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from ftlab import metric
from ftlab.logger.mirror import Mirror
from ftlab.logger.step import Level

ID_FILE = ".trackio-id"

_log = logging.getLogger(__name__)


class TrackioRun(Mirror):
    """One run in Trackio's local database; it starts with the first thing that is logged.

    Args:
        folder: The run folder.
        project: Trackio project.
        name: The run's display name; None takes the run folder's name.
        group: Runs that are shown together, such as the jobs of a multirun.
        every_steps: See `StepLogger`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        project: str = "ftlab",
        name: str | None = None,
        group: str | None = None,
        every_steps: int = 1,
    ) -> None:
        super().__init__(folder, "Trackio", ID_FILE, every_steps)
        self._project = project
        self._shown_as = name or self.folder.name
        self._group = group

    @property
    def name(self) -> str:
        """The Trackio project."""
        return self._project

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs one row."""
        self._write(step, self.attempt, values)

    @rank_zero_only
    def alert(self, title: str, text: str, level: Level = "WARN") -> None:
        """Shows a message in the dashboard.

        Args:
            title: Fewer than 64 characters.
            text: What happened.
            level: How bad it is.
        """
        if (run := self._started()) is not None:
            with self._never_fatal("send an alert"), _silent():
                run.alert(title, text, level=importlib.import_module("trackio").AlertLevel[level])

    @rank_zero_only
    def finish(self, exit_code: int = 0) -> None:
        """Waits until all rows are in the database.

        Args:
            exit_code: Trackio doesn't keep how a run ended.
        """
        super().finish(exit_code)
        if self._run is not None:
            with self._never_fatal("finish"), _silent():
                self._run.finish()

    def _write(self, step: int, attempt: int, values: Mapping[str, Any]) -> None:
        if (run := self._started()) is not None:
            with self._never_fatal("log"):
                run.log({metric.ATTEMPT: attempt, **values}, step=step)

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        return importlib.import_module("trackio").Table(data=[dict(row) for row in rows])

    def _start(self) -> Any:
        with _silent():
            run = self._begin()
        _log.info("Trackio: trackio show --project %s", self._project)
        return run

    def _begin(self) -> Any:
        """Starts the run, or goes on with it: then from the record, as far as the checkpoint holds."""
        trackio = importlib.import_module("trackio")
        storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
        storage.validate_project_name(self._project)
        if self._resumed_at is not None:
            storage.delete_run(self._project, self._shown_as, run_id=self.version)
        # Trackio would ask the hub for the name of whoever is logged in: a run that is kept here asks nobody.
        local = type("LocalRun", (trackio.Run,), {"_get_username": lambda run: None})
        run = local(
            url=None,
            project=self._project,
            client=None,
            name=self._shown_as,
            run_id=self.version,
            group=self._group,
            config=self._config,
        )
        for step, attempt, row in self._earlier_rows():
            run.log({metric.ATTEMPT: attempt, **row}, step=step)
        return run


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keeps Trackio's prints out of the run's terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
