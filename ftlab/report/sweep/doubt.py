"""What speaks against holding rows against each other. In: rows. Out: sentences, and columns to leave out.

A difference that isn't one of the swept keys' doing (other data, steps, hardware, settings of the evaluation) is said
with the values of each row; where it decides a column, nothing is concluded from that column.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from ftlab.report.sweep.comparison import Row
from ftlab.report.sweep.difference import Losses
from ftlab.report.sweep.group import RATES, SEED, setting
from ftlab.report.sweep.read import Job, Sweep

_ROWS_NAMED = 4
_VALUE_CHARACTERS = 60

_LOSS = ("loss", "perplexity", "kept")
_SPEED = ("tokens_per_s", "wall_s", "cost")


@dataclass(frozen=True, slots=True)
class _Circumstance:
    """Something that should be the same for all rows.

    Attributes:
        title: What differs, as the end of `The rows differ in …`.
        means: What that means.
        spoils: The columns that say nothing then.
    """

    title: str
    means: str
    spoils: tuple[str, ...] = ()


_CIRCUMSTANCES: Mapping[str, _Circumstance] = {
    "model": _Circumstance(
        "their base model", "Losses a token of different tokenizers can't be compared: look at the answers.", _LOSS
    ),
    "test": _Circumstance("the rows they are tested on", "Their losses can't be compared.", (*_LOSS, "format_rate")),
    "evaluation": _Circumstance(
        "how they are evaluated", "Numbers that depend on it can't be compared.", ("format_rate", "forgetting")
    ),
    "train": _Circumstance("what they are trained on", "Part of their difference is that of the rows."),
    "steps": _Circumstance("optimizer steps", "Part of their difference is that of the steps."),
    "batch_rows": _Circumstance("rows a step", "They saw different numbers of rows in the same steps."),
    "device": _Circumstance("hardware", "Speed, memory, time and cost can't be compared.", (*_SPEED, "peak_bytes")),
    "versions": _Circumstance("versions of packages", "Small differences may be those of the versions."),
}


@dataclass(frozen=True, slots=True)
class Doubts:
    """What was found.

    Attributes:
        sentences: One for each finding.
        untrusted: Columns from which nothing may be concluded.
    """

    sentences: tuple[str, ...]
    untrusted: frozenset[str]


def find_doubts(rows: Sequence[Row], chosen_by: Sequence[str], losses: Losses, sweep: Sweep) -> Doubts:
    """Looks for what speaks against comparing rows.

    Args:
        rows: All rows.
        chosen_by: The keys that were chosen within them.
        losses: Where held-out losses stand.
        sweep: What the rows were made of.
    """
    sentences, untrusted = [], set[str]()
    for name, circumstance in _CIRCUMSTANCES.items():
        if said := _different(rows, name):
            sentences.append(f"The rows differ in {circumstance.title}: {said}. {circumstance.means}")
            untrusted |= set(circumstance.spoils)
    jobs = [job for row in rows for job in row.jobs]
    if sweep.in_one_process and len(jobs) > 1 and any(_is_cpu(job) for job in jobs):
        sentences.append(
            "All jobs ran in one process, whose memory on a CPU counts what earlier jobs left: peak memory can't be "
            "compared. With hydra/launcher=gpu_pool each job has a process of its own."
        )
        untrusted.add("peak_bytes")
    if (most := max(map(_side_by_side, _by_place(sweep.jobs).values()), default=0)) > 1:
        sentences.append(f"Up to {most} jobs ran side by side on one device: speed and time are those of a shared one.")
    sentences += [*_of_losses(rows, losses), *_of_seeds(rows), *_of_choices(rows, chosen_by)]
    return Doubts(tuple(sentences), frozenset(untrusted))


def _different(rows: Sequence[Row], name: str) -> str:
    """The values of a circumstance by row; nothing where it is the same for runs of the same seed."""
    by_seed = defaultdict[str, set[str]](set)
    for row in rows:
        for job in row.jobs:
            by_seed[setting(job, SEED)].add(str(job.facts.get(name)))
    if all(len(values) == 1 for values in by_seed.values()):
        return ""
    by_row = {row.name: sorted({str(job.facts.get(name)) for job in row.jobs}) for row in rows if row.jobs}
    return _listed([f"{name} {_short(' / '.join(values))}" for name, values in by_row.items()], "; ")


def _listed(entries: Sequence[str], between: str = ", ") -> str:
    """The first few, and how many more there are."""
    more = len(entries) - _ROWS_NAMED
    return between.join([*entries[:_ROWS_NAMED], *([f"{more:,} more"] if more > 0 else [])])


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"


def _is_cpu(job: Job) -> bool:
    return str(job.facts.get("device", "")).startswith("CPU")


def _by_place(jobs: Sequence[Job]) -> Mapping[str, list[Job]]:
    """Jobs by what they may share: the processor, or a GPU as the launcher names it."""
    found = defaultdict[str, list[Job]](list)
    for job in jobs:
        if _is_cpu(job):
            found[str(job.facts["device"])].append(job)
        elif slot := job.facts.get("slot"):
            found[str(slot)].append(job)
    return found


def _side_by_side(jobs: Sequence[Job]) -> int:
    """How many of the jobs ran at the same time, at most."""
    moments: list[tuple[Any, int]] = []
    for job in jobs:
        begun, ended = job.facts.get("started_s"), job.facts.get("ended_s")
        if begun is not None and ended is not None:
            moments += [(begun, 1), (ended, -1)]
    running = most = 0
    for _, change in sorted(moments):  # an end comes before a beginning in the same second
        running += change
        most = max(most, running)
    return most


def _of_losses(rows: Sequence[Row], losses: Losses) -> Iterator[str]:
    if losses.key == "val_loss" and any(row.jobs for row in rows):
        yield "Test rows were not measured: held-out loss is the lowest on validation rows, which flatters all rows."
    broken, same = [], []
    for row in rows:
        found = losses.by_seed(row)
        if seeds := [seed for seed, loss in found.items() if not isfinite(loss)]:
            broken.append(f"{row.name} (seed {', '.join(seeds)})")
        elif len(found) > 1 and len(set(found.values())) == 1:
            same.append(row.name)
    if broken:
        yield f"The held-out loss is not finite or was not measured: {_listed(broken)}."
    if same:
        yield f"All seeds gave the same loss, so that nothing is known about chance: {_listed(same)}."


def _of_seeds(rows: Sequence[Row]) -> Iterator[str]:
    counts = {row.name: len(row.jobs) for row in rows if row.jobs}
    if len(set(counts.values())) > 1:
        fewer = [f"{name} {count}" for name, count in counts.items() if count < max(counts.values())]
        yield f"Not all rows have {max(counts.values())} seeds: {_listed(fewer)}."
    if again := [job for row in rows for job in row.jobs if (job.facts.get("attempt") or 1) > 1]:
        yield f"{_runs(len(again))} went on after an interruption: time and cost count the last start only."
    if repeated := sum(row.repeated for row in rows):
        yield f"{_runs(repeated)} with the same settings and seed as a later one aren't counted."


def _of_choices(rows: Sequence[Row], chosen_by: Sequence[str]) -> Iterator[str]:
    edges = defaultdict[tuple[str, str, str, str], list[str]](list)
    rates = [key for key in RATES if key in chosen_by]
    for row in rows:
        for key in rates:
            tried = [choice.settings[key] for choice in row.choices if choice.loss]
            if row.chosen and (found := _edge(tried, row.chosen[key])):
                edges[key, *found].append(row.name)
    for (key, value, end, further), names in edges.items():
        said = f"the best {key}, {value}, is the {end} tried"
        yield f"{_listed(names)}: {said}. Widen the range: {key}={further} may be better."
    ranked = [row for row in rows if "loss" in row.values]
    own = [key for key in RATES if ranked and set(ranked[0].settings) == {key}]
    for key in own:  # the rows are learning rates themselves
        best = min(ranked, key=lambda row: row.values["loss"].mean)
        if found := _edge([row.settings[key] for row in ranked], best.settings[key]):
            value, end, further = found
            yield f"The best {key}, {value}, is the {end} tried. Widen the range: {key}={further} may be better."
    in_rows = any(key in RATES for row in rows for key in row.settings)
    if sum(bool(row.jobs) for row in rows) > 1 and not rates and not in_rows:
        yield (
            "Each row ran at one learning rate, and another may suit it better: a row can only be judged at its own "
            "best. Add training.lr_factor=0.5,1,2."
        )


def _edge(tried: Iterable[str], chosen: str) -> tuple[str, str, str] | None:
    """The chosen value, whether it is the least or the largest of those with a result, and one beyond; else None."""
    try:
        numbers = sorted({float(value) for value in tried})
    except ValueError:
        return None
    if len(numbers) < 2 or numbers[0] <= 0:
        return None
    factor = max(high / low for low, high in pairwise(numbers))
    if float(chosen) == numbers[-1]:
        return chosen, "highest", f"{numbers[-1] * factor:.3g}"
    return (chosen, "lowest", f"{numbers[0] / factor:.3g}") if float(chosen) == numbers[0] else None


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"
