"""A comparison in the terminal: quality, cost, the verdict, what isn't done, where the files are.

In: a comparison. Out: lines. What was learned and what it cost are two tables, so that both fit into 80 columns.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ftlab.report.sweep.cell import shown_interval, shown_p, shown_value
from ftlab.report.sweep.comparison import Column, Comparison, Row
from ftlab.report.sweep.group import RATES, named
from ftlab.report.sweep.text import base_values, one_line

_QUALITY = ("loss", "perplexity", "format_rate", "forgetting", "general_rate")
_COST = ("learning_rate", "trainable_parameters", "peak_bytes", "tokens_per_s", "wall_s", "cost")
_TITLES = {
    "loss": "held-out\nloss",
    "format_rate": "strict\nformat",
    "forgetting": "forget-\nting",
    "general_rate": "general\nquestions",
    "learning_rate": "learning\nrate",
    "trainable_parameters": "trained\nweights",
    "peak_bytes": "peak\nmemory",
    "tokens_per_s": "speed,\ntok/s",
}
"""Of columns whose own title is too wide for a narrow terminal."""

_ROWS_SHOWN, _JOBS_SHOWN = 24, 8
_WIDE_COLUMNS = 96
"""From this width on intervals stand on one line."""
_NAME_CHARACTERS, _REASON_CHARACTERS = 40, 200


def print_comparison(console: Console, comparison: Comparison, files: str = "") -> None:
    """Prints a comparison.

    Args:
        console: Where to; from 80 columns on nothing is cut.
        comparison: What to print.
        files: Where it was written to.
    """
    shown = comparison.rows[:_ROWS_SHOWN]
    parts: list[RenderableType] = []
    if any(row.values for row in shown):
        parts += [
            _quality(comparison, shown, is_wide=console.width >= _WIDE_COLUMNS),
            Text(),
            _cost(comparison, shown),
            *_chosen(shown),
        ]
    if (more := len(comparison.rows) - len(shown)) > 0:
        parts.append(Text(f"{more:,} more rows are in the files.", style="dim"))
    parts += [*_sentences("Verdict", comparison.verdict), *_sentences("Mind", comparison.warnings, "yellow")]
    parts += _not_done(comparison)
    if files:
        parts.append(Text.assemble(("\nfiles  ", "bold"), files))
    title = Text(one_line(comparison.title), style="bold")
    console.print(Panel(Group(*parts), title=title, border_style="cyan", expand=True))


def _quality(comparison: Comparison, rows: Sequence[Row], *, is_wide: bool) -> RenderableType:
    """What was learned and forgotten, with intervals; the base stands above the rows."""
    table, columns = _new_table(comparison, _QUALITY)
    table.add_column("p", justify="right", min_width=5)
    if base := base_values(comparison.rows):
        cells = [shown_value(column.key, base[column.key]) if column.key in base else "" for column in columns]
        table.add_row("base", *cells, "", style="dim")
    for row in rows:
        values = [_with_interval(row, column, comparison, is_wide=is_wide) for column in columns]
        table.add_row(_name(row), *values, shown_p(row.difference.p_holm) if row.difference else "")
    table.caption = Text("below: 95 % interval over seeds; p: held-out loss against the first row", style="dim")
    table.caption_justify = "left"
    return table


def _cost(comparison: Comparison, rows: Sequence[Row]) -> RenderableType:
    """What it took, and what of the first row's improvement is kept."""
    table, columns = _new_table(comparison, _COST)
    table.add_column("quality\nkept", justify="right", min_width=7)
    table.add_column("runs", justify="right", min_width=4)
    for row in rows:
        cells = [_cell(row, column, comparison) for column in columns]
        runs = Text(f"{row.done:,}/{row.asked:,}", style="" if row.done == row.asked else "red")
        table.add_row(_name(row), *cells, shown_value("kept", row.kept), runs)
    return table


def _new_table(comparison: Comparison, keys: Sequence[str]) -> tuple[Table, list[Column]]:
    columns = [column for column in comparison.columns if column.key in keys]
    columns.sort(key=lambda column: keys.index(column.key))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), expand=True, header_style="bold")
    table.add_column(Text(one_line(", ".join(comparison.by)) or "runs"), style="bold", overflow="fold", min_width=8)
    for column in columns:
        table.add_column(_TITLES.get(column.key, column.title), justify="right", min_width=5)
    return table, columns


def _name(row: Row) -> Text:
    return Text(_short(row.name, _NAME_CHARACTERS))


def _chosen(rows: Sequence[Row]) -> Iterable[RenderableType]:
    """What was chosen for each row, but the learning rate, which has a column."""
    for row in rows:
        chosen = [named(key, value) for key, value in row.chosen.items() if key not in RATES]
        if chosen and row.settings:
            yield Text(f"{_short(row.name, _NAME_CHARACTERS)}: best with {one_line(', '.join(chosen))}", style="dim")


def _cell(row: Row, column: Column, comparison: Comparison) -> Text:
    measured = row.values.get(column.key)
    if measured is None:
        return Text("–", style="dim")
    is_best = measured.mean == _best(column, comparison.rows)
    return Text(shown_value(column.key, measured.mean), style="green" if is_best else "")


def _with_interval(row: Row, column: Column, comparison: Comparison, *, is_wide: bool) -> Text:
    """A cell with its interval below: on one line where there is room, else broken at its spaces."""
    text = _cell(row, column, comparison)
    if (measured := row.values.get(column.key)) and (interval := shown_interval(column.key, measured)):
        has_sign = set("+−") & set(interval)
        text.append(f"\n{interval.replace(' to ', '–') if is_wide and not has_sign else interval}", style="dim")
    return text


def _best(column: Column, rows: Sequence[Row]) -> float | None:
    """The best mean of a column; None where no way is better, or all are the same."""
    means = {row.values[column.key].mean for row in rows if column.key in row.values}
    if column.better is None or len(means) < 2:
        return None
    return min(means) if column.better == "lower" else max(means)


def _sentences(title: str, sentences: Sequence[str], style: str = "") -> Iterable[RenderableType]:
    if not sentences:
        return
    yield Text(f"\n{title}", style="bold")
    table = Table.grid(padding=(0, 1))
    for sentence in sentences:
        table.add_row(Text("·", style=style), Text(one_line(sentence), style=style))
    yield table


def _not_done(comparison: Comparison) -> Iterable[RenderableType]:
    """Jobs without a result, those that share a reason together."""
    if not comparison.not_done:
        return
    by_reason: dict[tuple[str, str], list[str]] = {}
    for job in comparison.not_done:
        by_reason.setdefault((job.status, job.error), []).append(job.name)
    counts = Counter(job.status for job in comparison.not_done)
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    yield Text(f"\nNot done: {told} of {len(comparison.jobs):,} jobs", style="bold red")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="red")
    table.add_column(overflow="fold")
    for (status, error), names in list(by_reason.items())[:_JOBS_SHOWN]:
        more = f" and {len(names) - _JOBS_SHOWN:,} more" if len(names) > _JOBS_SHOWN else ""
        table.add_row(
            status, Text(f"{one_line(', '.join(names[:_JOBS_SHOWN]))}{more}: {_short(error, _REASON_CHARACTERS)}")
        )
    yield table
    if len(by_reason) > _JOBS_SHOWN:
        yield Text("The others are in the files.", style="dim")


def _short(text: str, characters: int) -> str:
    words = one_line(text)
    return words if len(words) <= characters else f"{words[: characters - 1]}…"
