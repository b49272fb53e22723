"""When to choose a row: by what it is best at, of what was measured. In: rows. Out: a clause for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import isfinite

from ftlab.report.sweep.comparison import COLUMNS, Row
from ftlab.report.sweep.difference import Losses, is_found

_WHEN = {
    "loss": "quality counts most",
    "peak_bytes": "memory is short",
    "tokens_per_s": "time is short",
    "forgetting": "what it knew before must stay",
}
"""What a row is good for that is best in a column."""

_MORE = {
    "loss": "lower loss",
    "peak_bytes": "less memory",
    "tokens_per_s": "faster",
    "forgetting": "less forgotten",
}

_ALIKE = {"peak_bytes": 0.03, "tokens_per_s": 0.05}
"""Shares by which means may differ and count as alike."""

_FORGETTING_ALIKE = 0.02
"""The same for forgetting, in nats."""

_BETTER = {column.key: column.better for column in COLUMNS}


def advise(rows: Sequence[Row], losses: Losses, untrusted: Collection[str]) -> list[Row]:
    """Adds to each row when to choose it.

    Args:
        rows: All rows.
        losses: Where held-out losses stand: rows whose difference from the best isn't found count as equal to it.
        untrusted: Columns from which nothing may be concluded.

    Returns:
        The rows, in their order; without a clause where fewer than two have results.
    """
    measured = [row for row in rows if row.jobs]
    if len(measured) < 2:
        return list(rows)
    keys = [key for key in _WHEN if key not in untrusted and all(_mean(row, key) is not None for row in measured)]
    best = {key: [row.name for row in _best(measured, key, losses)] for key in keys}
    telling = {key: names for key, names in best.items() if len(names) < len(measured)}
    return [replace(row, choose=_clause(row, measured, telling)) if row.jobs else row for row in rows]


def level_with_best(rows: Sequence[Row], losses: Losses) -> tuple[Row, list[Row], list[Row]]:
    """Finds the row with the lowest held-out loss, and those that can't be told from it.

    Args:
        rows: At least one with a finite loss.
        losses: Where held-out losses stand.

    Returns:
        The best; those whose difference from it was tested and not found; those that couldn't be tested, for want of
        seeds.
    """
    finite = [row for row in rows if "loss" in row.values and isfinite(row.values["loss"].mean)]
    best = min(finite, key=lambda row: row.values["loss"].mean)
    others = [row for row in finite if row is not best]
    found = list(zip(others, losses.differences(best, others), strict=True))
    tested = [row for row, one in found if one and one.p is not None and not is_found(one)]
    return best, tested, [row for row, one in found if one is None or one.p is None]


def _mean(row: Row, key: str) -> float | None:
    return row.values[key].mean if key in row.values else None


def _best(rows: Sequence[Row], key: str, losses: Losses) -> list[Row]:
    """The rows that are best in a column, or as good as the best."""
    if key == "loss":
        if not any(isfinite(row.values["loss"].mean) for row in rows):
            return list(rows)
        best, level, _ = level_with_best(rows, losses)
        return [best, *level]
    most = (max if _BETTER[key] == "higher" else min)(rows, key=lambda row: row.values[key].mean)
    return [row for row in rows if _is_as_good(row, most, key)]


def _is_as_good(row: Row, other: Row, key: str) -> bool:
    """Whether a row is as good as another in a column, small differences apart."""
    own, its = row.values[key].mean, other.values[key].mean
    margin = _FORGETTING_ALIKE if key == "forgetting" else _ALIKE.get(key, 0.0) * abs(its)
    return own >= its - margin if _BETTER[key] == "higher" else own <= its + margin


def _clause(row: Row, rows: Sequence[Row], best: Mapping[str, Sequence[str]]) -> str:
    if not best:
        return "no difference that counts was found: take the simplest"
    strengths = [key for key, names in best.items() if row.name in names]
    if len(strengths) == len(best):
        return "nothing that can be compared here speaks against it"
    if strengths:
        *first, last = (_WHEN[key] for key in strengths)
        return "choose it when " + (f"{', '.join(first)} or {last}" if first else last)
    for other in rows:
        if other is not row and all(row.name not in best[key] and _is_as_good(other, row, key) for key in best):
            return f"nothing that can be compared here speaks for it: {other.name} is at least as good"
    return f"choose it as a middle way: {_between(row, rows, best)}"


def _between(row: Row, rows: Sequence[Row], best: Mapping[str, Sequence[str]]) -> str:
    """Names two rows that are each best at something, and what this row is better at than either."""
    by_name = {one.name: one for one in rows}
    for one, other in combinations(best, 2):
        ahead, behind = by_name[best[one][0]], by_name[best[other][0]]
        if not _is_as_good(ahead, row, other) and not _is_as_good(behind, row, one):
            return f"{_MORE[other]} than {ahead.name}, {_MORE[one]} than {behind.name}"
    return "it is best at nothing, and no row is better in all"
