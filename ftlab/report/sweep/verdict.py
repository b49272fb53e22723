"""What a comparison comes to, in plain words. In: rows. Out: sentences, each with its numbers.

First which row is best and whether that can be chance; then each row against the first: quality kept, memory, speed,
and when to choose it; then what was forgotten.
"""

from collections.abc import Collection, Iterator, Sequence
from math import isfinite

from ftlab.report.number import number, percent
from ftlab.report.sweep.advice import level_with_best
from ftlab.report.sweep.cell import shown_p, shown_value
from ftlab.report.sweep.comparison import Difference, Row
from ftlab.report.sweep.difference import Losses, is_found

ROWS_TOLD = 8
"""Rows that get a sentence of their own; the table has all."""

_FEW_SEEDS = 3
_NAMED = 6


def verdict(rows: Sequence[Row], losses: Losses, untrusted: Collection[str]) -> Iterator[str]:
    """Says what a comparison comes to.

    Args:
        rows: All rows, with what they are worth beside the first and when to choose them.
        losses: Where held-out losses stand.
        untrusted: Columns from which nothing may be concluded.

    Yields:
        One entry for each thing that there is to say.
    """
    measured = [row for row in rows if row.jobs]
    if not measured:
        yield "No run is done: there is nothing to compare yet."
        return
    finite = [row for row in measured if "loss" in row.values and isfinite(row.values["loss"].mean)]
    if not finite:
        yield "No row has a finite held-out loss: nothing says which is best."
    elif "loss" in untrusted:
        yield "Which row is best can't be said: their held-out losses are not of the same thing (see the warnings)."
    else:
        yield _best(finite, losses)
        yield from _chance(finite)
    if len(rows) > 1:
        told = rows[:ROWS_TOLD]
        yield from (_row(row, rows[0], untrusted, alone=len(measured) == 1) for row in told)
        if len(rows) > len(told):
            yield f"{len(rows) - len(told):,} more rows are in the table."
    yield from _forgetting(measured, untrusted)


def _best(rows: Sequence[Row], losses: Losses) -> str:
    best, level, untested = level_with_best(rows, losses)
    loss, perplexity = (shown_value(key, best.values[key].mean) for key in ("loss", "perplexity"))
    said = f"{best.name} has the lowest held-out loss, {loss} (perplexity {perplexity}{_of_base(best)})"
    if not best.settings and best.chosen:
        chosen = " ".join(f"{key}={value}" for key, value in best.chosen.items())
        tried = sum(choice.loss is not None for choice in best.choices)
        said = f"The best of {tried:,} settings is {chosen}: held-out loss {loss}"
        return f"{said} (perplexity {perplexity}{_of_base(best)})."
    if len(rows) == 1:
        return f"{said}; there is no other row to hold it against."
    if level:
        rest = f"; nothing is known about chance for {_names(untested)}" if untested else ""
        return f"{said}; {_names(level)} can't be told from it with {len(best.jobs)} seeds{rest}."
    if untested:
        return f"{said}; whether that is more than chance is not known."
    return f"{said}; all others are worse by more than chance (p ≤ 0.05, paired t test over seeds, Holm)."


def _of_base(row: Row) -> str:
    base = row.values.get("base_perplexity")
    return f"; the base's is {shown_value('perplexity', base.mean)}" if base else ""


def _chance(rows: Sequence[Row]) -> Iterator[str]:
    seeds = max(len(row.jobs) for row in rows)
    if seeds == 1:
        yield "1 seed a row: nothing can be said about chance. Add seed=1,2,3."
    elif seeds < _FEW_SEEDS:
        yield f"{seeds} seeds a row: only large differences can be told from chance. Add seed=1,2,3."


def _row(row: Row, first: Row, untrusted: Collection[str], *, alone: bool) -> str:
    if not row.jobs:
        return f"{row.name}: no run of its {row.asked:,} is done, so that nothing is known of it."
    end = f" {row.choose[0].upper()}{row.choose[1:]}." if row.choose else ""
    if row is first and alone:
        return f"{row.name} is the only row with a result."
    if row is first:
        return f"{row.name} is the first row, which the others are held against.{end}"
    if not first.jobs:
        return f"{row.name}: there is no result of {first.name} to hold it against.{end}"
    said = ", ".join(filter(None, [_kept(row, first, untrusted), _cost(row, untrusted)]))
    return f"{row.name} {said}{_difference(row.difference, first, untrusted)}.{end}"


def _kept(row: Row, first: Row, untrusted: Collection[str]) -> str:
    if row.kept is None or "kept" in untrusted:
        loss = row.values.get("loss")
        return f"has a held-out loss of {shown_value('loss', loss.mean)}" if loss else "has no held-out loss"
    if row.kept < 0:
        return f"is worse than the base, which {first.name} improves on"
    return f"keeps {shown_value('kept', row.kept)} of {first.name}'s improvement over the base"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if value < 10 else f"{number(value)} times"


def _cost(row: Row, untrusted: Collection[str]) -> str:
    parts = []
    if "peak_bytes" in row.ratios and "peak_bytes" not in untrusted:
        parts.append(f"with {_share(row.ratios['peak_bytes'])} of its peak memory")
    if "tokens_per_s" in row.ratios and "tokens_per_s" not in untrusted:
        speed = f"{row.ratios['tokens_per_s']:.2f}"
        parts.append("at its speed" if speed == "1.00" else f"at {speed} times its speed")
    trained = row.ratios.get("trainable_parameters")
    if trained is not None and trained != 1:
        parts.append(f"training {percent(trained) if trained < 1 else f'{trained:.3g} times'} as many weights")
    return " ".join(parts[:2]) + (f", {parts[2]}" if len(parts) > 2 else "")


def _difference(found: Difference | None, first: Row, untrusted: Collection[str]) -> str:
    if found is None or "loss" in untrusted:
        return ""
    said = f"; its held-out loss is {shown_value('difference', found.mean)} nats from {first.name}'s"
    if found.pairs == 1:
        return f"{said}, on 1 seed"
    if found.p_holm is None or found.low is None or found.high is None:
        return f"{said} with each of {found.pairs} seeds: chance is not known"
    ends = f"{shown_value('difference', found.low)} to {shown_value('difference', found.high)}"
    conclusion = ("better" if found.mean < 0 else "worse") if is_found(found) else "no difference was found"
    return f"{said} ({ends}; p = {shown_p(found.p_holm)}): {conclusion}".replace("p = <", "p <")


def _forgetting(rows: Sequence[Row], untrusted: Collection[str]) -> Iterator[str]:
    known = [row for row in rows if "forgetting" in row.values and isfinite(row.values["forgetting"].mean)]
    if not known or "forgetting" in untrusted:
        return
    ordered = sorted(known, key=lambda row: row.values["forgetting"].mean)
    least, most = ordered[0], ordered[-1]
    if len(known) == 1:
        yield f"On general texts the loss of {least.name} changed by {_forgot(least)}."
        return
    yield f"On general texts {least.name} forgets least ({_forgot(least)}), {most.name} most ({_forgot(most)})."


def _forgot(row: Row) -> str:
    said = f"{shown_value('forgetting', row.values['forgetting'].mean)} nats"
    before, after = row.values.get("base_general_rate"), row.values.get("general_rate")
    if before and after:
        said += f"; simple questions right: {percent(before.mean)} before, {percent(round(after.mean, 3))} after"
    return said


def _names(rows: Sequence[Row]) -> str:
    names = [row.name for row in rows[:_NAMED]]
    if len(rows) > _NAMED:
        return f"{', '.join(names)} and {len(rows) - _NAMED:,} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
