"""Compares the jobs of a sweep. In: a `Sweep`. Out: a `Comparison`."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import exp, inf, isfinite

from ftlab.report.sweep.advice import advise
from ftlab.report.sweep.comparison import COLUMNS, Choice, Comparison, Measured, Row
from ftlab.report.sweep.difference import Losses
from ftlab.report.sweep.doubt import find_doubts
from ftlab.report.sweep.group import NOT_KNOWN, Group, groups, named, one_a_seed, row_keys, setting, unknown_keys
from ftlab.report.sweep.read import Job, Sweep
from ftlab.report.sweep.significance import mean_or_infinite, t_interval
from ftlab.report.sweep.verdict import verdict

_RATIOS = ("trainable_parameters", "peak_bytes", "tokens_per_s", "wall_s")
_SHARES = ("format_rate", "base_format_rate", "general_rate", "base_general_rate")
_OVER_SEEDS = (
    "base_loss", "forgetting", "learning_rate", "trainable_parameters", "peak_bytes", "tokens_per_s", "wall_s",
    *_SHARES,
)  # fmt: skip


def compare(sweep: Sweep, by: Sequence[str] | None = None, price_per_hour: float | None = None) -> Comparison:
    """Compares the jobs of a sweep.

    Args:
        sweep: The jobs.
        by: The keys that make rows; None = all that were swept but seeds and learning rates. Of the other swept keys
            each row takes the values with the lowest mean held-out loss during training; results are of test rows, so
            that the choice doesn't flatter them.
        price_per_hour: What an hour of the hardware costs, in any currency; None = no costs.

    Returns:
        The comparison.

    Raises:
        ValueError: No job has a value of a key of `by`.
    """
    if unknown := unknown_keys(sweep.jobs, by or ()):
        raise ValueError(f"`by` must name keys of the runs, but none has {', '.join(unknown)}.")
    keys = tuple(row_keys(sweep) if by is None else by)
    found, chosen_by = groups(sweep.jobs, keys)
    losses = Losses("loss" if any("loss" in job.values for job in sweep.jobs) else "val_loss")
    rows = _against_first([_row(group, keys, losses.key, price_per_hour) for group in found], losses)
    doubts = find_doubts(rows, chosen_by, losses, sweep)
    advised = advise(rows, losses, doubts.untrusted)
    return Comparison(
        title=_title(sweep.jobs, keys),
        folder=sweep.folder,
        by=keys,
        chosen_by=chosen_by,
        rows=tuple(advised),
        columns=tuple(column for column in COLUMNS if any(column.key in row.values for row in rows)),
        jobs=sweep.jobs,
        verdict=tuple(verdict(advised, losses, doubts.untrusted)),
        warnings=(*sweep.notes, *doubts.sentences),
        price_per_hour=price_per_hour,
        counts=dict(Counter(job.status for job in sweep.jobs)),
    )


def measure(values: Iterable[float]) -> Measured:
    """Returns the mean of values with its 95 % interval (Student's t).

    Args:
        values: At least one.
    """
    numbers = list(values)
    interval = t_interval(numbers) if all(map(isfinite, numbers)) else None
    low, high = interval[1:] if interval else (None, None)
    return Measured(mean_or_infinite(numbers), low, high, len(numbers))


def _title(jobs: Sequence[Job], keys: Sequence[str]) -> str:
    names = (", ".join(dict.fromkeys(setting(job, group) for job in jobs if job.config)) for group in ("model", "data"))
    return " · ".join(filter(None, [*names, f"by {', '.join(keys)}" if keys else "all runs"]))


def _row(group: Group, keys: Sequence[str], loss: str, price_per_hour: float | None) -> Row:
    choices = {settings: _choice(settings, jobs) for settings, jobs in group.choices.items()}
    best = min(choices, key=lambda settings: one.mean if (one := choices[settings].loss) else inf)
    jobs = tuple(one_a_seed(group.choices[best]).values())
    return Row(
        name=" · ".join(named(key, group.settings[key]) for key in keys) or _shared(group),
        settings=group.settings,
        chosen=dict(best) if jobs else {},
        choices=tuple(choices.values()) if any(choices) else (),
        values=_values(jobs, loss, price_per_hour),
        jobs=jobs,
        done=sum(job.status == "done" for job in group.jobs),
        asked=len(group.jobs),
        repeated=sum(job.status == "done" for job in group.choices[best]) - len(jobs),
    )


def _shared(group: Group) -> str:
    """What a row is called that no key makes: by the method of its jobs, if they have the same."""
    methods = {setting(job, "method") for job in group.jobs} - {NOT_KNOWN}
    return methods.pop() if len(methods) == 1 else "all"


def _choice(settings: Iterable[tuple[str, str]], jobs: Sequence[Job]) -> Choice:
    losses = [job.values.get("val_loss", job.values.get("loss", inf)) for job in one_a_seed(jobs).values()]
    done = sum(job.status == "done" for job in jobs)
    return Choice(dict(settings), measure(losses) if losses else None, done, len(jobs))


def _values(jobs: Sequence[Job], loss: str, price_per_hour: float | None) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    for key, name in (("loss", loss), *((key, key) for key in _OVER_SEEDS)):
        if values := [job.values[name] for job in jobs if name in job.values]:
            found[key] = _within_one(measure(values)) if key in _SHARES else measure(values)
    for key, name in (("perplexity", "loss"), ("base_perplexity", "base_loss")):
        if name in found:
            found[key] = _each(found[name], _exp)
    if price_per_hour is not None and "wall_s" in found:
        found["cost"] = _each(found["wall_s"], lambda seconds: seconds / 3600 * price_per_hour)
    return found


def _each(measured: Measured, function: Callable[[float], float]) -> Measured:
    low, high = (None if end is None else function(end) for end in (measured.low, measured.high))
    return Measured(function(measured.mean), low, high, measured.count)


def _exp(loss: float) -> float:
    try:
        return exp(loss)
    except OverflowError:
        return inf


def _within_one(measured: Measured) -> Measured:
    """A share's interval can't reach beyond 0 and 1."""
    if measured.low is None or measured.high is None:
        return measured
    return replace(measured, low=max(0.0, measured.low), high=min(1.0, measured.high))


def _against_first(rows: Sequence[Row], losses: Losses) -> list[Row]:
    """Adds to each row what it is worth beside the first."""
    first, *others = rows
    differences = [None, *losses.differences(first, others)]
    return [
        replace(row, difference=one, kept=_kept(first, row), ratios=_ratios(first, row))
        for row, one in zip(rows, differences, strict=True)
    ]


def _ratios(first: Row, row: Row) -> dict[str, float]:
    both = ((key, first.values.get(key), row.values.get(key)) for key in _RATIOS)
    return {key: own.mean / other.mean for key, other, own in both if other and own and other.mean > 0}


def _kept(first: Row, row: Row) -> float | None:
    base, best, own = (
        measured.mean if (measured := values.get(key)) else inf
        for values, key in ((first.values, "base_loss"), (first.values, "loss"), (row.values, "loss"))
    )
    if not (isfinite(base) and isfinite(best) and isfinite(own)) or base <= best:
        return None
    return (base - own) / (base - best)
