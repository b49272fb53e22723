"""What a comparison of runs holds: rows, columns, numbers with their intervals. Nothing is computed here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from ftlab.report.sweep.read import Job

FORMAT = 1
"""Version of `comparison.json`'s layout."""

_NOT_IN_FILES = ("config",)
"""Fields of a job that are in its own run.json."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number over seeds.

    Attributes:
        mean: The mean; infinite where one of the seeds' values isn't finite.
        low: Where its 95 % interval begins (Student's t over seeds); None where there is one seed.
        high: Where it ends.
        count: How many seeds.
    """

    mean: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Column:
    """What was measured.

    Attributes:
        key: The name in files, with its unit: a key of `Row.values`.
        title: As people read it.
        better: Which way is better; None = neither.
    """

    key: str
    title: str
    better: Literal["lower", "higher"] | None


COLUMNS = (
    Column("loss", "held-out loss", "lower"),
    Column("perplexity", "perplexity", "lower"),
    Column("format_rate", "strict format", "higher"),
    Column("forgetting", "forgetting", "lower"),
    Column("general_rate", "general questions", "higher"),
    Column("trainable_parameters", "trained parameters", None),
    Column("peak_bytes", "peak memory", "lower"),
    Column("tokens_per_s", "tokens/s", "higher"),
    Column("wall_s", "time", "lower"),
    Column("cost", "cost", "lower"),
    Column("learning_rate", "learning rate", None),
)
"""All columns in their order. `loss`: nats a token of the held-out answers (test rows; validation rows where those were
not measured). `forgetting`: loss on general texts after training less that before, in nats. Rates go from 0 to 1;
`cost` is `price_per_hour` times hours, for one run; `learning_rate` is that of the runs the numbers are of."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting of the keys that are chosen within a row, such as a learning rate.

    Attributes:
        settings: Their values by key.
        loss: The held-out loss during training (validation rows) over seeds, by which is chosen; None = no run is done.
        done: Runs that are done.
        asked: Runs that the sweep has.
    """

    settings: Mapping[str, str]
    loss: Measured | None
    done: int
    asked: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Held-out loss against that of the first row, by seed.

    Attributes:
        mean: Mean of the paired differences, in nats; above 0 = worse than the first row.
        low: Where its 95 % interval begins; None with fewer than two pairs.
        high: Where it ends.
        p: Two-sided p of the paired t test; None with fewer than two pairs, or where all differ alike.
        p_holm: The same, adjusted for all rows that are compared (Holm).
        pairs: Seeds that both rows have.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Row:
    """The runs that differ only in their seed and in what is chosen within the row.

    Attributes:
        name: As people read it, such as `qlora` or `lora · 16`.
        settings: The values of the keys that make the row.
        chosen: The values of the other swept keys that were chosen for it, such as `optimizer.lr`.
        choices: All that could have been chosen, in the order of the sweep; empty where nothing is chosen.
        values: By the key of `COLUMNS`, and of the base `base_loss`, `base_perplexity`, `base_format_rate` and
            `base_general_rate`; a key that wasn't measured is left out.
        jobs: The done jobs of the chosen settings, one a seed: the values are theirs.
        done: Jobs that are done, whatever was chosen.
        asked: Jobs that the sweep has for this row.
        kept: The share of the first row's improvement over the base that this row reaches; None where it has none.
        difference: Against the first row; None for the first row itself, and where no seed is common.
        ratios: `peak_bytes`, `tokens_per_s`, `wall_s` and `trainable_parameters` as multiples of the first row's.
        repeated: Done jobs of the chosen settings that a later one with the same seed stands for.
        choose: When to choose this row, as a clause without a full stop; empty where nothing can be said.
    """

    name: str
    settings: Mapping[str, str]
    chosen: Mapping[str, str]
    choices: tuple[Choice, ...]
    values: Mapping[str, Measured]
    jobs: tuple[Job, ...]
    done: int
    asked: int
    kept: float | None = None
    difference: Difference | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    repeated: int = 0
    choose: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that a comparison says.

    Attributes:
        title: Model, data and what was swept, in one line.
        folder: Where its files are written.
        by: The keys that make the rows.
        chosen_by: The keys that are chosen within each row.
        rows: In the order of the sweep; the others are held against the first.
        columns: Those of `COLUMNS` that any row has.
        jobs: Every job, also those that failed, were interrupted, run or are missing.
        verdict: What it comes to, one sentence or two an entry.
        warnings: What speaks against comparing the rows, one sentence an entry.
        price_per_hour: What an hour of the hardware costs; None = unknown.
        counts: How many jobs there are of each status.
    """

    title: str
    folder: Path
    by: tuple[str, ...]
    chosen_by: tuple[str, ...]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    jobs: tuple[Job, ...]
    verdict: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    price_per_hour: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def not_done(self) -> tuple[Job, ...]:
        """The jobs that have no result, in their order."""
        return tuple(job for job in self.jobs if job.status != "done")

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON holds it; numbers that aren't finite become null, a row names its jobs."""
        return {"format": FORMAT, **_fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Row | Job | Choice | Difference | Measured | Column):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, bool | int | str) or value is None else str(value)


def _fields(value: Any) -> dict[str, Any]:
    found = {one.name: getattr(value, one.name) for one in fields(value) if one.name not in _NOT_IN_FILES}
    if isinstance(value, Row):
        found["jobs"] = [job.name for job in value.jobs]
    return {name: _plain(one) for name, one in found.items()}
