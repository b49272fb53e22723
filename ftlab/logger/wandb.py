"""W&B as a mirror of the metrics file: the same rows at the same steps, sample answers, the adapter, alerts.

Nothing here can end a run or make it wait: the mode is decided before W&B starts, it writes offline where it must,
and a failure to log is said once. The run's id is kept in the run folder, so that a resumed run goes on in the same
W&B run. Offline, W&B starts a new folder each time and `wandb sync` lets the last one replace the others: so the rows
of earlier attempts are logged again first, and the newest folder alone is the whole run.
"""

import contextlib
import logging
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import wandb
from lightning.pytorch.utilities import rank_zero_only

from ftlab import metric
from ftlab.logger.mirror import Mirror, first_line
from ftlab.logger.mode import Mode, decide_mode
from ftlab.logger.secret import redact_command

ID_FILE = ".wandb-id"
LOWER_IS_BETTER = (metric.TRAIN_LOSS, metric.TRAIN_PERPLEXITY, metric.VAL_LOSS, metric.VAL_PERPLEXITY)
"""The keys whose minimum is kept in the run's summary beside the last value."""

INIT_TIMEOUT_S = 30.0
FINISH_TIMEOUT_S = 300.0
"""How long the end of the run may wait for uploads; what is left can be sent by `wandb sync`."""

_log = logging.getLogger(__name__)


class WandbRun(Mirror):
    """One W&B run; it starts with the first thing that is logged and ends with `finish`.

    Args:
        folder: The run folder; W&B's own files lie in its `wandb` folder.
        project: W&B project.
        entity: W&B user or team; None takes the account's default.
        name: The run's display name; None takes the run folder's name.
        group: Runs that are shown together, such as the jobs of a multirun.
        job_type: What kind of run this is in its group.
        tags: Words to find the run by.
        offline: Whether all network use is switched off.
        upload_adapter: Whether `log_adapter` stores the adapter as an artifact.
        every_steps: See `StepLogger`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        project: str = "ftlab",
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        offline: bool = False,
        upload_adapter: bool = True,
        every_steps: int = 1,
    ) -> None:
        super().__init__(folder, "W&B", ID_FILE, every_steps)
        self.mode: Mode | None = None
        self._identity: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "name": name or self.folder.name,
            "group": group,
            "job_type": job_type,
            "tags": list(tags) or None,
        }
        self._offline = offline
        self._upload_adapter = upload_adapter
        self._run: wandb.Run | None = None
        self._ended = False
        self._last_step = 0

    @property
    def name(self) -> str:
        """The W&B project."""
        return str(self._identity["project"])

    @property
    def experiment(self) -> "wandb.Run | None":
        """The W&B run for anything of your own (`run.log`, `run.summary`); None where it could not be started."""
        if self._run is None and not self._ended:
            with self._never_fatal("start"):
                self._run = self._start()
        return self._run

    @property
    def local_folder(self) -> Path | None:
        """Where W&B keeps this attempt on disk; None before it started and where W&B is disabled."""
        return None if self._run is None or self.mode == "disabled" else Path(self._run.dir).parent

    @property
    def url(self) -> str | None:
        """The run's page; None unless it is online."""
        return self._run.url if self._run is not None and self.mode == "online" else None

    @property
    def sync_command(self) -> str:
        """What to type to upload an offline run; empty where there is nothing to upload."""
        return f"wandb sync {self.local_folder}" if self.mode == "offline" and self.local_folder else ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Takes the configuration as nested plain data; secrets are left out."""
        super().log_hyperparams(params)
        if self._run is not None:
            with self._never_fatal("log the configuration"):
                self._run.config.update(self._config, allow_val_change=True)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs one row."""
        self._write(step, self.attempt, values)

    @rank_zero_only
    def summarise(self, values: Mapping[str, Any]) -> None:
        """Sets values of the run's summary."""
        if values and (run := self.experiment) is not None:
            with self._never_fatal("set the summary"):
                run.summary.update(dict(values))

    @rank_zero_only
    def show_table(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Shows a table at the last step.

        Args:
            key: Its name.
            rows: Its rows, all with the same columns; at least one.
        """
        with self._never_fatal(f"show the table {key}"):
            self._show(key, self._table(rows))

    @rank_zero_only
    def show_bars(self, key: str, title: str, bars: Mapping[str, float]) -> None:
        """Shows a bar chart at the last step.

        Args:
            key: Its name.
            title: What stands above it.
            bars: Lengths by name.
        """
        with self._never_fatal(f"show the chart {key}"):
            table = wandb.Table(columns=["name", "value"], data=[list(bar) for bar in bars.items()])
            self._show(key, wandb.plot.bar(table, "name", "value", title=title))

    @rank_zero_only
    def show_page(self, key: str, page: Path) -> None:
        """Shows an HTML file at the last step.

        Args:
            key: Its name.
            page: The file; it is copied.
        """
        with self._never_fatal(f"show {page.name}"):
            self._show(key, wandb.Html(page, inject=False))

    def _show(self, key: str, value: Any) -> None:
        self.flush()
        self._write(self._last_step, self.attempt, {key: value})

    @rank_zero_only
    def log_adapter(self, folder: str | Path, metadata: Mapping[str, Any] | None = None) -> None:
        """Stores the saved adapter as an artifact of the run; offline it is uploaded from `folder` by `wandb sync`.

        Args:
            folder: What was saved; it must stay where it is until it is uploaded.
            metadata: Plain data to show with it.
        """
        if self._upload_adapter and (run := self.experiment) is not None:
            with self._never_fatal("store the adapter"):
                artifact = wandb.Artifact(f"adapter-{self.version}", type="model", metadata=dict(metadata or {}))
                for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
                    # Not `add_dir`: that prints. Immutable: the file itself is uploaded, not a copy in W&B's cache.
                    artifact.add_file(str(file), file.relative_to(folder).as_posix(), policy="immutable")
                run.log_artifact(artifact)

    @rank_zero_only
    def alert(self, title: str, text: str, level: Literal["INFO", "WARN", "ERROR"] = "WARN") -> None:
        """Sends a message to whoever watches the project.

        Args:
            title: Fewer than 64 characters.
            text: What happened.
            level: How bad it is.
        """
        if (run := self.experiment) is not None:
            with self._never_fatal("send an alert"):
                run.alert(title, text, level=level)

    @rank_zero_only
    def finish(self, exit_code: int = 0) -> None:
        """Ends the W&B run; without this the next job of the process would log into it. Doing it twice is harmless.

        Args:
            exit_code: 0 where the run went well.
        """
        self.flush()
        if self._run is not None and not self._ended:
            with self._never_fatal("finish"):
                self._run.finish(exit_code=exit_code)
        self._ended = True

    def _write(self, step: int, attempt: int, values: Mapping[str, Any]) -> None:
        self._last_step = max(self._last_step, step)
        if not self._ended and (run := self.experiment) is not None:
            with self._never_fatal("log"):
                run.log({metric.STEP: step, metric.ATTEMPT: attempt, **values})

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> wandb.Table:
        columns = list(rows[0])
        return wandb.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])

    def _start(self) -> wandb.Run:
        decision = decide_mode(offline=self._offline)
        self.mode, reason = decision.mode, decision.reason
        try:
            run = self._init()
        except Exception as error:  # a refused key, a server that fails: whatever it is, the run goes on
            if self.mode != "online":
                raise
            self.mode, reason = "offline", first_line(error)
            run = self._init()
        self._run = run
        self._say(reason)
        _define_metrics(run)
        if not run.resumed:
            for row in self._earlier_rows():
                self._write(*row)
        return run

    def _init(self) -> wandb.Run:
        with _clean_command():
            return wandb.init(
                **self._identity,
                id=self.version,
                dir=str(self.folder),
                config=self._config,
                mode=self.mode,
                resume="allow" if self.mode == "online" else None,
                reinit="create_new",
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    init_timeout=INIT_TIMEOUT_S,
                    finish_timeout=FINISH_TIMEOUT_S,
                ),
            )

    def _say(self, reason: str) -> None:
        if self.mode == "online":
            _log.info("W&B: %s", self.url)
        elif self.mode == "disabled":
            _log.info("W&B is disabled (%s).", reason)
        else:
            _log.info("W&B is offline (%s). Upload the run with: %s", reason, self.sync_command)


def _define_metrics(run: wandb.Run) -> None:
    """Makes optimizer steps the axis of every chart, and keeps minima in the summary."""
    run.define_metric(metric.STEP, hidden=True)
    run.define_metric("*", step_metric=metric.STEP)
    for key in LOWER_IS_BETTER:
        run.define_metric(key, step_metric=metric.STEP, summary="min,last")


@contextlib.contextmanager
def _clean_command() -> Iterator[None]:
    """Hides secrets of the command line while W&B takes it down."""
    typed = sys.argv
    sys.argv = [typed[0], *redact_command(typed[1:])] if typed else typed
    try:
        yield
    finally:
        sys.argv = typed
