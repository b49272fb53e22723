"""Records a run: its card, its metrics file and the loggers that mirror it, and how it ended, whatever happens."""

import logging
import shlex
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from ftlab.callbacks.interrupt import Interrupted
from ftlab.callbacks.prune import Pruned
from ftlab.config.build import build_all
from ftlab.logger.csv import MetricsFile
from ftlab.logger.evaluation import mirror
from ftlab.logger.secret import redact, redact_command
from ftlab.logger.step import StepLogger
from ftlab.logger.wandb import WandbRun
from ftlab.report.card import RunCard, Status
from ftlab.report.run import override, write_report
from ftlab.stage.default import differences
from ftlab.stage.inputs import Inputs
from ftlab.stage.measured import curve, measured, memory, oom_events
from ftlab.stage.name import filters, names, words
from ftlab.stage.source import plain

log = logging.getLogger(__name__)

GPU_LOG_STEPS = 10
"""Steps whose values are read from a GPU together: each reading waits for the device."""


class Record:
    """One run's record. As a context manager it ends the card and all loggers with the status of the run.

    Args:
        cfg: The composed configuration.
        inputs: What the run starts from.

    Attributes:
        place: The run's folder, and what it goes on from.
        started_s: When this start of the run began, seconds since 1970.
        card: The run card.
        metrics: The metrics file.
        loggers: The metrics file and those of the `logger` group.
        callbacks: Those of the `callbacks` group by name, once training has begun.
    """

    def __init__(self, cfg: DictConfig, inputs: Inputs) -> None:
        self.place = place = inputs.place
        self._plan = inputs.plan
        self.started_s = time.time()
        place.folder.mkdir(parents=True, exist_ok=True)
        config = redact(plain(cfg))
        command = ["python", "-m", "ftlab", *redact_command(words())]
        self.card = RunCard(place.folder, command, config)
        every_steps = GPU_LOG_STEPS if inputs.device.type == "cuda" else 1
        self.callbacks: dict[str, Callback] = {}
        self.metrics = MetricsFile(place.folder, every_steps=every_steps)
        called = names(place.folder, cfg.task.name)
        given = {"folder": place.folder, "offline": cfg.offline, "every_steps": every_steps, **called}
        mirrors: Mapping[str, Logger] = build_all(cfg.logger, "logger", **given)
        self.loggers: list[Logger] = [self.metrics, *mirrors.values()]
        self._resume()
        for logger in mirrors.values():
            logger.log_hyperparams({**config, **filters(config, called.get("group"))})
        self.card.write(
            attempt=place.attempt,
            device=device_name(inputs.device),
            total_steps=inputs.total_steps,
            data=_data(inputs),
            check=inputs.check,
            notes=inputs.notes,
            changed=differences(config),
        )
        for note in inputs.notes:
            log.log(logging.WARNING if note in inputs.warnings else logging.INFO, "%s", note)

    @cached_property
    def wandb(self) -> WandbRun | None:
        """The W&B logger, if the run has one."""
        return next((logger for logger in self.loggers if isinstance(logger, WandbRun)), None)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Gives all loggers the same values outside of training."""
        for logger in self.loggers:
            logger.log_metrics(dict(values), step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = _status(error)
        for logger in self.loggers:
            logger.finalize(status)
        self.card.write(status=status, **_ending(error))
        try:
            self._show()
        except Exception as fault:  # what the run came to is written down: no failure to show it may hide that
            log.warning(
                "The page of the run could not be drawn (%s: %s). This draws it: %s",
                type(fault).__name__, fault, report_command(self.place.folder),
            )  # fmt: skip
        for logger in self.loggers:
            if isinstance(logger, StepLogger):
                logger.finish(exit_code=0 if status in ("done", "pruned") else 1)

    def add_evaluation(self, sections: Mapping[str, Any]) -> None:
        """Adds sections to the card's `evaluation`; those that are there stay.

        Args:
            sections: Plain data by name; None where that wasn't measured, which leaves it out.
        """
        found = {name: section for name, section in sections.items() if section is not None}
        self.card.write(evaluation={**self.card.sections.get("evaluation", {}), **found})

    def _show(self) -> None:
        """Completes the card with what the callbacks know, and draws the page, in the folder and in W&B."""
        callbacks = self.callbacks.values()
        found = measured(callbacks)
        self.card.write(measured=found, memory=memory(self._plan, found), oom_events=oom_events(callbacks))
        self.add_evaluation({"curve": curve(callbacks)})
        page = write_report(self.place.folder)
        if self.wandb is not None:
            trained = (self.card.sections.get("model") or {}).get("trainable_parameters")
            taken = {**found, "trainable_parameters": trained}
            mirror(self.wandb, self.card.sections.get("evaluation", {}), page, taken)

    def _resume(self) -> None:
        """Takes the record back to the checkpoint: later rows are about to be written again."""
        if self.place.attempt > 1 or self.place.checkpoint:
            step = self.place.checkpoint.step if self.place.checkpoint else -1
            for logger in self.loggers:
                if hasattr(logger, "resume_at"):
                    logger.resume_at(step, self.place.attempt)


def device_name(device: torch.device) -> str:
    """Returns the name of the GPU, or of the processor with its threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def report_command(folder: Path) -> str:
    """Returns what to type to draw the page of the run in `folder` anew."""
    return f"python -m ftlab task=report {override('run', folder)}"


def go_on_command(folder: Path) -> str:
    """Returns what to type to go on with the run in `folder`."""
    return f"{again_command('resume=auto')} {override('hydra.run.dir', folder)}"


def again_command(*changes: str) -> str:
    """Returns what to type to run the same anew, in a folder of its own.

    Args:
        changes: Overrides, and options of Hydra's; what was typed for the same keys is left out.
    """
    alone = ("resume=", "hydra.run.dir=", *(("hydra.mode=",) if "-m" in changes else ()))
    keys = (*alone, *(f"{change.partition('=')[0]}=" for change in changes if "=" in change))
    kept = [word for word in words() if not word.startswith(keys) and word not in changes]
    return shlex.join(["python", "-m", "ftlab", *redact_command(kept), *changes])


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "done"
    if isinstance(error, Pruned):
        return "pruned"
    told_to_end = isinstance(error, Interrupted | KeyboardInterrupt | SystemExit)  # the last one by a batch system
    return "interrupted" if told_to_end else "failed"


def _ending(error: BaseException | None) -> dict[str, Any]:
    """What the card holds of how a run ended that didn't come to its end."""
    if isinstance(error, Pruned):
        return {"pruned": {"step": error.step, "reason": str(error)}, "metrics": {"val_loss": error.val_loss}}
    return {} if error is None else {"error": f"{type(error).__name__}: {error}"}


def _data(inputs: Inputs) -> dict[str, Any]:
    splits = {"train": inputs.train, "validation": inputs.validation, "test": inputs.test}
    return {
        "sha256": inputs.data_sha256,
        "layout": inputs.layout,
        "splits": {
            name: {
                "rows": len(rows),
                "tokens": int(rows.lengths.sum()),
                "supervised_tokens": int(rows.targets_counts.sum()),
                "longest_row_tokens": int(rows.lengths.max(initial=0)),
            }
            for name, rows in splits.items()
        },
        "sources": inputs.sources,
    }
