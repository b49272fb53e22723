"""The jobs that a sweep was asked for, by what its launcher or Hydra wrote: also those that left no folder.

In: a sweep's folder. Out: its jobs with their overrides, and what `sweep.json` says of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

POOL, MULTIRUN = "sweep.json", "multirun.yaml"

_SEARCH = ("study.journal", "optimization_results.yaml")
"""What an Optuna sweeper leaves."""

VERSION = 1
"""Of `sweep.json`'s layout; a higher one is refused."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was asked for.

    Attributes:
        number: In the sweep.
        overrides: As the launcher gives them.
        folder: The name of its folder; empty where that isn't known.
        status: `done`, `failed`, `interrupted`, `running`, `waiting`, …; empty where nobody has recorded it.
        error: Why it isn't done; empty where it is.
        slot: What it ran on, as the launcher names it; empty where that isn't known.
    """

    number: int
    overrides: tuple[str, ...]
    folder: str = ""
    status: str = ""
    error: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a sweep was asked for.

    Attributes:
        jobs: Those of `sweep.json`, and those of `multirun.yaml` that it doesn't have. A sweeper that chooses its jobs
            as it goes, such as Optuna, leaves none that could be missing.
        in_one_process: Whether Hydra's own launcher ran them, one after the other.
        is_search: Whether a sweeper chose the jobs as it went, each by the results of those before.
    """

    jobs: tuple[Asked, ...] = ()
    in_one_process: bool = False
    is_search: bool = False


def read_request(folder: Path, notes: list[str]) -> Request:
    """Finds out what a sweep was asked for.

    Args:
        folder: The sweep's.
        notes: Takes what couldn't be read, as sentences.

    Returns:
        What is known; nothing where neither launcher nor Hydra left a file.

    Raises:
        ValueError: `sweep.json` is of a newer version.
    """
    recorded = _pool(folder / POOL, notes)
    known, taken = {tuple(sorted(one.overrides)) for one in recorded}, {one.number for one in recorded}
    combinations, launcher = _multirun(folder / MULTIRUN, notes)
    wanted = [one for one in combinations if tuple(sorted(one)) not in known]
    free = (number for number in range(len(taken) + len(wanted)) if number not in taken)
    jobs = (*recorded, *(Asked(number, one) for number, one in zip(free, wanted, strict=False)))
    is_search = any((folder / name).exists() for name in _SEARCH)
    return Request(jobs, in_one_process=launcher.endswith(".BasicLauncher"), is_search=is_search)


def _pool(file: Path, notes: list[str]) -> list[Asked]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["version"] > VERSION:
            raise ValueError(f"`version` of {file} must be at most {VERSION}, but is {document['version']}. Update.")
        return [_entry(entry) for entry in document["jobs"]]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        notes.append(f"{file} can't be read ({type(error).__name__}: {error}): jobs that failed may lack their reason.")
        return []


def _entry(entry: dict[str, Any]) -> Asked:
    folder = Path(entry["folder"] or "").name
    return Asked(
        int(entry["num"]), tuple(entry["overrides"]), folder, entry["status"], entry["error"] or "", entry["slot"]
    )


def _multirun(file: Path, notes: list[str]) -> tuple[list[tuple[str, ...]], str]:
    """The combinations that Hydra's own sweeper makes of what was typed, in its order; and the launcher's class."""
    try:
        hydra = yaml.load(file.read_text(encoding="utf-8"), _Loader)["hydra"]  # noqa: S506 (it is the safe one)
        sweeper, launcher = hydra["sweeper"], str(hydra["launcher"]["_target_"])
        if not str(sweeper["_target_"]).endswith(".BasicSweeper"):
            return [], launcher
        texts = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
        overrides = OverridesParser.create().parse_overrides([*texts, *hydra["overrides"]["task"]])
        return [tuple(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch], launcher
    except FileNotFoundError:
        return [], ""
    except (OSError, UnicodeDecodeError, yaml.YAMLError, HydraException, LookupError, TypeError) as error:
        notes.append(f"{file} can't be read ({type(error).__name__}: {error}): missing jobs may not be seen.")
        return [], ""
