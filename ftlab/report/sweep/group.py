"""Sorts jobs into rows: which keys were swept, which of them make rows, which are chosen within one.

In: jobs. Out: groups of jobs. Seeds are repetitions; of learning rates each row takes its best, since a method can't be
judged at a rate that suits another: with a tuned rate nine LoRA variants lie within 1-2 % (arXiv 2602.04998).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ftlab.report.sweep.read import Job, Sweep, canonical

SEED = "seed"

RATES = ("optimizer.lr", "method.learning_rate", "training.lr_factor")
"""Keys that are chosen within a row as long as others make rows."""

NO_SETTINGS = (
    "hydra", "task", "output_dir", "resume", "offline", "logger", "callbacks", "evaluation", "check", "report",
)  # fmt: skip
"""Keys, and groups of keys, that don't change what is trained: they never make rows by themselves."""

NOT_KNOWN = "default"
"""The value of a key that wasn't typed for a job and that its card doesn't tell."""

Settings = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Group:
    """The jobs of one row.

    Attributes:
        settings: The values of the keys that make rows.
        choices: The jobs by the values of the keys that are chosen within the row, in the order of the sweep.
    """

    settings: Mapping[str, str]
    choices: dict[Settings, list[Job]] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        """All jobs of the row."""
        return [job for jobs in self.choices.values() for job in jobs]


def swept_keys(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Returns the keys in which jobs differ, in the order in which they were typed.

    Args:
        jobs: All jobs; one that doesn't name a key has what its card says.
    """
    typed = dict.fromkeys(key for job in jobs for key in job.overrides if key.split(".")[0] not in NO_SETTINGS)
    return tuple(key for key in typed if len({setting(job, key) for job in jobs}) > 1)


def row_keys(sweep: Sweep) -> tuple[str, ...]:
    """Returns the keys that make rows where nobody says which: all that were swept but seeds and learning rates.

    Args:
        sweep: The jobs. Where nothing but learning rates was swept, those make the rows; seeds alone make one row. A
            search varies numbers of which hardly any come twice: there only choices by name, such as methods, do.
    """
    swept = swept_keys(sweep.jobs)
    others = tuple(key for key in swept if key != SEED and key not in RATES)
    if sweep.is_search:
        return tuple(key for key in others if not all(number_of(setting(job, key)) is not None for job in sweep.jobs))
    return others or tuple(key for key in swept if key in RATES)


def groups(jobs: Sequence[Job], by: Sequence[str]) -> tuple[list[Group], tuple[str, ...]]:
    """Sorts jobs into rows.

    Args:
        jobs: All jobs.
        by: The keys that make rows.

    Returns:
        The rows in the order of the sweep, and the keys that are chosen within them.
    """
    chosen_by = tuple(key for key in swept_keys(jobs) if key != SEED and key not in by)
    found: dict[Settings, Group] = {}
    for job in jobs:
        settings = _settings(job, by)
        group = found.setdefault(settings, Group(dict(settings)))
        group.choices.setdefault(_settings(job, chosen_by), []).append(job)
    return list(found.values()), chosen_by


def unknown_keys(jobs: Sequence[Job], keys: Sequence[str]) -> list[str]:
    """Returns the keys of which no job has a value."""
    return [key for key in keys if all(setting(job, key) == NOT_KNOWN for job in jobs)]


def setting(job: Job, key: str) -> str:
    """Returns a job's value of a key: as typed, else as its card says, else `NOT_KNOWN`.

    Args:
        job: The job.
        key: A config key (`optimizer.lr`) or a group (`method`), whose value is the name of its choice.
    """
    if key in job.overrides:
        return job.overrides[key]
    node: object = job.config
    for part in key.replace("/", ".").split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    if isinstance(node, Mapping):
        node = node.get("name")
    return NOT_KNOWN if node is None else canonical(str(node))


def named(key: str, value: str) -> str:
    """Returns a choice of a group by its name, a value of a key with the end of the key: `lora`, `r=16`."""
    return f"{key.rpartition('.')[2]}={value}" if "." in key or key == SEED else value


def one_a_seed(jobs: Iterable[Job]) -> dict[str, Job]:
    """Returns the done jobs by seed; of several with one seed the last that began."""
    done = (job for job in jobs if job.status == "done")
    return {setting(job, SEED): job for job in sorted(done, key=lambda job: job.facts.get("started_s") or 0.0)}


def number_of(text: str | None) -> float | None:
    """Returns the number that a value is; None where it is none."""
    try:
        return float(text or "")
    except ValueError:
        return None


def _settings(job: Job, keys: Iterable[str]) -> Settings:
    return tuple((key, setting(job, key)) for key in keys)
