"""Reads sweeps and run folders: every job with its overrides, how it ended and what it measured. Nothing is judged.

In: folders. Out: a `Sweep`. Jobs come from run folders, from `sweep.json` (`hydra/launcher=gpu_pool`) and from
`multirun.yaml` (Hydra), so that one that never began is found as well.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from ftlab.report.card import FILE as CARD
from ftlab.report.card import REASON, read_card
from ftlab.report.folder import METRICS, Column, read_metrics
from ftlab.report.sweep.expected import Asked, read_request
from ftlab.report.sweep.values import facts_of, values_of

Status = Literal["done", "failed", "interrupted", "pruned", "running", "missing"]

OVERRIDES = Path(".hydra") / "overrides.yaml"

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, or one that should have been.

    Attributes:
        name: As people find it: the folder's name, or its number where there is no folder.
        folder: Its folder; None where there is none.
        number: Its number in the sweep; None for a single run.
        overrides: What was typed for it, by key; numbers in their shortest form.
        status: How it ended; `pruned` = a search ended it early. `running` may also mean that it was killed: `error`
            says when it was last seen.
        error: Why it isn't done; empty where it is.
        values: What it measured, by name (`ftlab.report.sweep.values`). One that wasn't measured is left out; NaN and
            infinite stay.
        facts: What must be alike for runs to be comparable, by name (`ftlab.report.sweep.values`).
        config: The composed configuration; empty where there is no card.
    """

    name: str
    folder: Path | None
    number: int | None
    overrides: Mapping[str, str]
    status: Status
    error: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Jobs that are compared.

    Attributes:
        folder: Where the comparison is written: the sweep's folder, the first where there are several.
        jobs: All of them, in the order of the sweep.
        notes: What couldn't be read, one sentence each.
        in_one_process: Whether several jobs ran in one process, one after the other.
        is_search: Whether the jobs were chosen as they went, and not as a grid.
    """

    folder: Path
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()
    in_one_process: bool = False
    is_search: bool = False


def read_sweep(folder: Path) -> Sweep:
    """Reads the jobs of a sweep, or a single run.

    Args:
        folder: The sweep's folder, or a run folder.

    Returns:
        All its jobs.

    Raises:
        ValueError: It holds no run of training, or a card or file is of a newer format than this version reads.
    """
    notes: list[str] = []
    if (folder / CARD).is_file():
        return Sweep(folder, (_run(folder, None, None, notes),), tuple(notes))
    request = read_request(folder, notes)
    jobs = _jobs(folder, request.jobs, notes)
    count = sum(job.folder is not None for job in jobs)
    if not count:
        raise ValueError(f"{folder} holds no run: neither {CARD} nor folders with one.")
    shared = request.in_one_process and count > 1
    return Sweep(folder, tuple(jobs), tuple(notes), in_one_process=shared, is_search=request.is_search)


def join(sweeps: Sequence[Sweep]) -> Sweep:
    """Puts several sweeps together as one; a run that several of them have is there once.

    Args:
        sweeps: At least one; what is compared is written into the first one's folder.
    """
    jobs = {
        job.folder.resolve() if job.folder else f"{sweep.folder.resolve()}{job.name}": job
        for sweep in sweeps
        for job in sweep.jobs
    }
    notes = tuple(note for sweep in sweeps for note in sweep.notes)
    return Sweep(
        sweeps[0].folder,
        tuple(jobs.values()),
        notes,
        in_one_process=any(sweep.in_one_process for sweep in sweeps),
        is_search=any(sweep.is_search for sweep in sweeps),
    )


def read_curves(job: Job, columns: Sequence[str]) -> Mapping[str, Column]:
    """Reads what a job measured step by step.

    Args:
        job: A job of a `Sweep`.
        columns: The wanted keys (`ftlab.metric`).

    Returns:
        Those that have values, by key; none where there is no metrics file.
    """
    return {} if job.folder is None else read_metrics(job.folder / METRICS, columns)[0]


def canonical(value: str) -> str:
    """Returns a value as it is compared: numbers in their shortest form, so that 1e-4 and 0.0001 are the same.

    >>> canonical("1e-4"), canonical("0.00010"), canonical("2"), canonical("lora")
    ('0.0001', '0.0001', '2', 'lora')
    """
    try:
        return repr(float(value)) if re.search(r"[.eE]", value) else str(int(value))
    except ValueError:
        return value.strip()


def _jobs(folder: Path, asked: Sequence[Asked], notes: list[str]) -> list[Job]:
    """Every folder with a run, and every job that was asked for, in the order of their numbers."""
    by_folder = {one.folder: one for one in asked if one.folder}
    by_overrides: dict[tuple[str, ...], list[Asked]] = {}
    for one in asked:
        by_overrides.setdefault(identity(one.overrides), []).append(one)
    jobs, seen = [], set[int]()
    for path in folder.iterdir():
        if not ((path / CARD).is_file() or (path / OVERRIDES).is_file()):
            continue
        known = by_folder.get(path.name)
        if known is None:
            same = [one for one in by_overrides.get(identity(_overrides(path)), []) if not one.folder]
            known = next((one for one in same if one.number not in seen), None)
        if known is not None:
            seen.add(known.number)
        number = re.match(r"\d+", path.name)
        jobs.append(_run(path, known, int(number.group()) if number else None, notes))
    jobs += [_missing(one) for one in asked if one.number not in seen]
    return sorted(jobs, key=lambda job: (job.number is None, job.number or 0, job.name))


def identity(overrides: Sequence[str]) -> tuple[str, ...]:
    """Returns what makes two jobs the same: their overrides in any order, Hydra's own left out."""
    return tuple(sorted(f"{key}={value}" for key, value in parsed(overrides).items()))


def parsed(overrides: Sequence[str]) -> dict[str, str]:
    """Returns overrides by key, Hydra's own left out.

    >>> parsed(["+method=lora", "optimizer.lr=1e-4", "hydra.verbose=true"])
    {'method': 'lora', 'optimizer.lr': '0.0001'}
    """
    pairs = (text.lstrip("+~").partition("=") for text in overrides)
    return {key: canonical(value) for key, _, value in pairs if not key.startswith("hydra")}


def _overrides(folder: Path) -> list[str]:
    try:
        found = yaml.load((folder / OVERRIDES).read_text(encoding="utf-8"), _Loader)  # noqa: S506 (it is the safe one)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


def _run(folder: Path, asked: Asked | None, number: int | None, notes: list[str]) -> Job:
    """A run; `number` is the one that its folder's name begins with."""
    card, values, facts = None, {}, {}
    try:
        if card := read_card(folder):
            values, facts = values_of(card), facts_of(card)
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, LookupError, TypeError, OSError) as fault:
        notes.append(f"{folder / CARD} can't be read ({type(fault).__name__}: {fault}).")
        card = None
    status, error = _status(folder, card, asked)
    return Job(
        name=folder.name,
        folder=folder,
        number=asked.number if asked else number,
        overrides=parsed(asked.overrides if asked else _overrides(folder)),
        status=status,
        error=error,
        values=values,
        facts={**facts, "slot": asked.slot if asked else ""},
        config=(card or {}).get("config") or {},
    )


def _status(folder: Path, card: Mapping[str, Any] | None, asked: Asked | None) -> tuple[Status, str]:
    """How a run ended: by its card; where that doesn't know, by what the launcher has recorded."""
    own = (card or {}).get("status")
    if own == "done":
        return "done", ""
    if own == "pruned":
        return "pruned", str(((card or {}).get("pruned") or {}).get("reason", "the search ended it early"))
    if (status := _unfinished(own)) and status != "running":
        return status, str((card or {}).get("error", ""))
    if asked and (status := _unfinished(asked.status)) and status != "running":
        return status, asked.error
    if card is None:
        return "failed", _reason(folder) or f"it ended before it began to train, or has just started: no {CARD}"
    last_s = max(file.stat().st_mtime for file in (folder / CARD, folder / METRICS) if file.is_file())
    return "running", f"it has not ended: it is running, or was killed; last sign {_ago(time.time() - last_s)} ago"


def _reason(folder: Path) -> str:
    """What a job said that ended before it had a card."""
    try:
        return (folder / REASON).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _missing(asked: Asked) -> Job:
    status: Status = _unfinished(asked.status) or "missing"
    error = asked.error or ("its folder is gone" if asked.status == "done" else "it was never started")
    return Job(f"#{asked.number}", None, asked.number, parsed(asked.overrides), status, error)


def _unfinished(status: Any) -> Literal["failed", "interrupted", "running"] | None:
    return status if status in ("failed", "interrupted", "running") else None


def _ago(seconds: float) -> str:
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return "less than 2 min"
