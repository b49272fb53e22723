"""The run card: `run.json`, everything that is needed to judge a run and to repeat it.

The card is written at the start of the run (status `running`) and again whenever something is known, always to a
temporary name that is synced and renamed: whoever reads it finds a whole file, also after a kill.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

FORMAT = 1
"""Version of the card's layout; a reader refuses a higher one."""

FILE = "run.json"

REASON = "error.txt"
"""Why a job of a multirun failed, in its folder: it may not have got as far as a card."""

PACKAGES = (
    "ftlab", "torch", "transformers", "peft", "bitsandbytes", "lightning", "hydra-core", "torchmetrics", "wandb",
)  # fmt: skip
"""The packages whose versions can change a result."""

Status = Literal["running", "done", "failed", "interrupted", "pruned"]


@dataclass(slots=True)
class RunCard:
    """One run's record in its folder.

    Attributes:
        folder: The run folder.
        command: What was typed.
        config: The composed configuration as plain data, without secrets.
        status: How far the run is.
        sections: Everything else by topic (`data`, `model`, `memory`, `metrics`, `oom_events`, `files`, …).
        started: When the run began (ISO 8601, UTC).
    """

    folder: Path
    command: list[str]
    config: Mapping[str, Any]
    status: Status = "running"
    sections: dict[str, Any] = field(default_factory=dict)
    started: str = field(default_factory=lambda: _now())

    @property
    def file(self) -> Path:
        """Where the card lies."""
        return self.folder / FILE

    def write(self, *, status: Status | None = None, **sections: Any) -> None:
        """Adds sections, sets the status and writes the whole card anew.

        Args:
            status: The new status, if it changed.
            **sections: Plain data by topic; a topic that is there already is replaced.
        """
        self.status = status or self.status
        self.sections.update(sections)
        content = {
            "format": FORMAT,
            "status": self.status,
            "started": self.started,
            "written": _now(),
            "command": self.command,
            "versions": versions(),
            **self.sections,
            "config": self.config,
        }
        _replace(self.file, json.dumps(content, indent=2, ensure_ascii=False, default=str))


def read_card(folder: Path) -> dict[str, Any] | None:
    """Reads a run folder's card.

    Args:
        folder: The run folder.

    Returns:
        The card's content; None where there is no card.

    Raises:
        ValueError: The card is of a newer format than this version reads.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if content["format"] > FORMAT:
        raise ValueError(f"`format` of {file} must be at most {FORMAT}, but is {content['format']}. Update ftlab.")
    return content


def add_evaluation(folder: Path, name: str, section: Mapping[str, Any]) -> None:
    """Adds what was measured after a run has ended to its card; everything else of the card stays as it is.

    Args:
        folder: The run folder; it has a card.
        name: The section's name in `evaluation`; one that is there already is replaced.
        section: Plain data.
    """
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    content["evaluation"] = {**(content.get("evaluation") or {}), name: section}
    _replace(folder / FILE, json.dumps(content, indent=2, ensure_ascii=False))


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(files: Iterable[Path]) -> str:
    """Hashes files by name, size, first and last mebibyte: tells two sets of weights apart without reading gigabytes.

    Args:
        files: The files; their order doesn't matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    edge_bytes = 1 << 20
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.name):
        size_bytes = file.stat().st_size
        digest.update(f"{file.name}:{size_bytes}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(edge_bytes))
            stream.seek(max(0, size_bytes - edge_bytes))
            digest.update(stream.read(edge_bytes))
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace(file: Path, text: str) -> None:
    """Writes a file so that a reader finds either the old or the new content, whole."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
