"""In what the jobs of a comparison differ and what they share, as table rows. In: jobs. Out: keys and their values."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ftlab.report.sweep.read import Job

Pairs = list[tuple[str, str]]

_VALUES_SHOWN = 12
_KEYS_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of all jobs, as (key, value or values).

    Attributes:
        swept: What was typed and differs.
        following: What differs as well, since it follows from what was typed or from the place of the run.
        typed: What was typed alike for all.
        common: All that is the same in all runs whose card is there.
        common_left_out: How many more there are.
    """

    swept: Pairs
    following: Pairs
    typed: Pairs
    common: Pairs
    common_left_out: int


def settings_of(jobs: Sequence[Job]) -> Settings:
    """Sorts the settings of jobs by whether they differ.

    Args:
        jobs: All of them.

    Returns:
        The settings; those of a run's own folder are left out.
    """
    typed = _values([job.overrides for job in jobs])
    swept = {key: values for key, values in typed.items() if len(values) > 1}
    configs = [dict(_flat(job.config)) for job in jobs if job.config]
    known = {key: values for key, values in _values(configs).items() if not _of_folder(key, configs, jobs)}
    following = [
        (key, _listed(values))
        for key, values in known.items()
        if len(values) > 1 and key not in swept and not (key.endswith(".name") and key.removesuffix(".name") in swept)
    ]
    common = [(key, _listed(values)) for key, values in known.items() if len(values) == 1]
    return Settings(
        swept=[(key, _listed(values)) for key, values in swept.items()],
        following=following,
        typed=[(key, _listed(values)) for key, values in typed.items() if len(values) == 1],
        common=common[:_KEYS_SHOWN],
        common_left_out=max(0, len(common) - _KEYS_SHOWN),
    )


def grid_command(jobs: Sequence[Job]) -> str | None:
    """Returns what runs the same jobs again: all combinations of what was typed; None where that isn't what was run.

    Args:
        jobs: All of them.
    """
    typed = _values([job.overrides for job in jobs])
    combinations = {tuple(sorted(job.overrides.items())) for job in jobs}
    if not typed or prod(map(len, typed.values())) != len(combinations):
        return None
    words = [f"{key}={','.join(values)}" for key, values in typed.items()]
    return shlex.join(["python", "-m", "ftlab", "-m", *words])


def _values(mappings: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Every key with its values in the order in which they come; `not set` where some have none."""
    found: dict[str, dict[str, None]] = {}
    for one in mappings:
        for key in one:
            found.setdefault(key, {})
    for one in mappings:
        for key, values in found.items():
            values.setdefault(one.get(key, "not set"))
    return {key: list(values) for key, values in found.items()}


def _of_folder(key: str, configs: Sequence[Mapping[str, str]], jobs: Sequence[Job]) -> bool:
    """Whether a value is a place in the run's own folder."""
    folders = [str(job.folder) for job in jobs if job.config]
    return all(folder in config.get(key, "") for folder, config in zip(folders, configs, strict=True))


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def _listed(values: Sequence[str]) -> str:
    more = len(values) - _VALUES_SHOWN
    return ", ".join(values[:_VALUES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
