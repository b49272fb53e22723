"""One job of a sweep, from waiting to its end, and how it is written into `sweep.json`."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, filter_overrides


class Status(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not started"


@dataclass
class Job:
    """A job.

    Attributes:
        num: `hydra.job.num`.
        overrides: As the sweeper gave them.
        config_sha256: Hash of the composed configuration, without Hydra's part; empty until it is composed.
        status: Where it stands.
        was_done: It was done before this launch, and isn't run.
        begins_again: An earlier attempt has left something in the job's folder.
        folder: Its folder, once known.
        slot: The name of the slot that it runs on, or ran on last.
        attempts: Times that it was started in this launch.
        started_s: When the last attempt began, seconds since 1970.
        ended_s: When it ended.
        exit: How its process ended: `0`, `1`, `SIGKILL`.
        error: The error in one line.
        traceback: The job's own traceback.
        log: The file with its output.
        result: What the sweeper gets.
        returned: What the job returned, as far as JSON can hold it.
        returned_type: Its type, where JSON can't hold it or it needs to be read back.
        progress: The job's own last word on how far it is.
        first_report: When this attempt told its first step, seconds since 1970, and that step.
    """

    num: int
    overrides: tuple[str, ...]
    config_sha256: str = ""
    status: Status = Status.WAITING
    was_done: bool = False
    begins_again: bool = False
    folder: Path | None = None
    slot: str = ""
    attempts: int = 0
    started_s: float | None = None
    ended_s: float | None = None
    exit: str = ""
    error: str = ""
    traceback: str = ""
    log: Path | None = None
    result: JobReturn | None = None
    returned: Any = None
    returned_type: str = ""
    progress: dict[str, Any] = field(default_factory=dict)
    first_report: tuple[float, int] | None = None

    @property
    def seconds(self) -> float:
        """How long the last attempt took, or has taken so far."""
        return 0.0 if self.started_s is None else (self.ended_s or time.time()) - self.started_s

    def restore(self, entry: dict[str, Any], sweep: Path) -> None:
        """Becomes the done job that an entry of `sweep.json` tells of."""
        self.num, self.status, self.was_done = entry["num"], Status.DONE, True
        self.folder = sweep / entry["folder"]
        self.log = None if entry["log"] is None else sweep / entry["log"]
        self.slot, self.attempts, self.exit = entry["slot"], entry["attempts"], entry["exit"]
        self.started_s, self.ended_s = (_seconds(entry[key]) for key in ("started", "ended"))
        self.returned, self.returned_type = entry["returned"], entry["returned_type"]
        self.progress = entry["progress"]

    def to_dict(self, sweep: Path) -> dict[str, Any]:
        """Returns the job's entry in `sweep.json`; paths are relative to the sweep's folder."""
        return {
            "num": self.num,
            "overrides": list(self.overrides),
            "config_sha256": self.config_sha256,
            "status": self.status.value,
            "folder": _relative(self.folder, sweep),
            "log": _relative(self.log, sweep),
            "slot": self.slot,
            "attempts": self.attempts,
            "started": _moment(self.started_s),
            "ended": _moment(self.ended_s),
            "seconds": round(self.seconds, 3),
            "exit": self.exit,
            "error": self.error,
            "traceback": self.traceback,
            "returned": self.returned,
            "returned_type": self.returned_type,
            "progress": self.progress,
        }


def identity(overrides: Sequence[str]) -> tuple[str, ...]:
    """Returns what makes two jobs the same: their overrides in any order, Hydra's own left out."""
    return tuple(sorted(filter_overrides(overrides)))


def to_plain(value: Any) -> tuple[Any, str]:
    """Turns what a job returned into something that JSON holds.

    Args:
        value: Numbers, texts, lists and dictionaries pass; arrays and tensors of one element become numbers.

    Returns:
        The plain value, and the type where it isn't the same: `float` for nan and infinities, which stand as text; the
        full name of a type that can't be kept, with None for the value.
    """
    if hasattr(value, "item") and not isinstance(value, int | float):
        try:
            value = value.item()
        except Exception:  # an array of several elements: each library has its own error
            return None, _name(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value), "float"
    if isinstance(value, float):
        return float(value), ""
    if value is None or isinstance(value, bool | int | str):
        return value, ""
    if isinstance(value, list | tuple):
        parts = [to_plain(part) for part in value]
        return (None, _name(value)) if any(kind for _, kind in parts) else ([part for part, _ in parts], "")
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        pairs = {key: to_plain(part) for key, part in value.items()}
        unkept = any(kind for _, kind in pairs.values())
        return (None, _name(value)) if unkept else ({key: part for key, (part, _) in pairs.items()}, "")
    return None, _name(value)


def from_plain(value: Any, kind: str) -> Any:
    """Reads back what `to_plain` gave."""
    return float(value) if kind == "float" else value


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp()


def _relative(path: Path | None, sweep: Path) -> str | None:
    if path is None:
        return None
    return str(path.relative_to(sweep)) if path.is_relative_to(sweep) else str(path)
