"""Reads sweeps and run folders: every job with its overrides, how it ended and what it measured. Nothing is judged.

In: folders. Out: a `Sweep`. Jobs come from run folders, from `sweep.json` (`hydra/launcher=gpu_pool`) and from
`multirun.yaml` (Hydra), so that one that never began is found as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "failed", "interrupted", "running", "missing"]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, or one that should have been.

    Attributes:
        name: As people find it: the folder's name, or its number where there is no folder.
        folder: Its folder; None where there is none.
        number: Its number in the sweep; None for a single run.
        overrides: What was typed for it, by key; numbers in their shortest form.
        status: How it ended. `running` may also mean that it was killed.
        error: Why it isn't done; empty where it is.
        values: What it measured, by name: `loss`, `base_loss`, `val_loss`, `format_rate`, `base_format_rate`,
            `general_loss`, `base_general_loss`, `general_rate`, `base_general_rate`, `trainable_parameters`,
            `peak_bytes`, `tokens_per_s`, `wall_s`. One that wasn't measured is left out; NaN and infinite stay.
        facts: What must be alike for runs to be comparable (`data`, `test_rows`, `steps`, `device`, `evaluation`, …).
        config: The composed configuration.
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
    """

    folder: Path
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()
