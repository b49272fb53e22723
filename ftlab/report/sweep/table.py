"""The measured table of a comparison for its page: headings, cells, and what must be known to read them.

In: a comparison. Out: plain values for the template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from ftlab.report.sweep.cell import shown_interval, shown_p, shown_value
from ftlab.report.sweep.comparison import Column, Comparison, Row
from ftlab.report.sweep.group import number_of

Better = Literal["lower", "higher"] | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column.

    Attributes:
        title: What stands above it.
        numeric: Whether numbers stand below.
    """

    title: str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        text: The number as read.
        sub: What stands below it, smaller.
        value: By what the column is sorted; None = by its text.
        best: Whether no row has a better one.
    """

    text: str
    sub: str = ""
    value: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A row.

    Attributes:
        name: Its heading.
        colour: Of its marks on the plots; None = grey.
        cells: One for each heading but the first.
        choose: When to choose it.
    """

    name: str
    colour: int | None
    cells: list[Cell]
    choose: str = ""


def loss_key(comparison: Comparison) -> str:
    """Returns where the held-out loss of a job stands: `loss`, of test rows; `val_loss` where no job has that."""
    return "loss" if any("loss" in job.values for job in comparison.jobs) else "val_loss"


def head_of(comparison: Comparison) -> list[Heading]:
    """Returns the headings, that of the rows first."""
    return [
        Heading(" · ".join(comparison.by), numeric=False),
        *(Heading(f"best {key}") for key in comparison.chosen_by),
        *(Heading(column.title) for column in comparison.columns[:2]),
        *_against_first(comparison),
        *(Heading(column.title) for column in _behind(comparison)),
        Heading("runs done"),
    ]


def lines_of(comparison: Comparison, colours: Mapping[int, int]) -> list[Line]:
    """Returns the rows.

    Args:
        comparison: What was found.
        colours: The number of the colour by the row's place, of those that have one.
    """
    bests = {column.key: _best(comparison.rows, column.key, column.better) for column in comparison.columns}
    compared = bool(_against_first(comparison))
    return [
        Line(row.name, colours.get(place), _cells(comparison, row, bests, compared, first=place == 0))
        for place, row in enumerate(comparison.rows)
    ]


def glance_of(comparison: Comparison, colours: Mapping[int, int]) -> list[Line]:
    """Returns the short table of the coloured rows: memory, speed, quality kept, and when to choose which.

    Args:
        comparison: What was found.
        colours: The number of the colour by the row's place, of those that have one.

    Returns:
        The rows; none where nothing can be said of any.
    """
    if not any(row.choose for row in comparison.rows):
        return []
    return [
        Line(
            row.name,
            colours[place],
            [
                *(_beside_first(row, key, first=place == 0) for key in ("peak_bytes", "tokens_per_s")),
                Cell(shown_value("kept", row.kept), value=row.kept),
            ],
            row.choose,
        )
        for place, row in enumerate(comparison.rows)
        if place in colours
    ]


def _beside_first(row: Row, key: str, *, first: bool) -> Cell:
    one, ratio = row.values.get(key), row.ratios.get(key)
    if one is None:
        return Cell("–")
    unit = " tokens/s" if key == "tokens_per_s" else ""
    return Cell(
        f"{shown_value(key, one.mean)}{unit}", "" if first or ratio is None else f"× {ratio:.2f}", value=one.mean
    )


def words_of(comparison: Comparison) -> list[str]:
    """Returns what must be known to read the table, one sentence or two an entry."""
    where = "the test rows" if loss_key(comparison) == "loss" else "the validation rows (no test rows were measured)"
    if not any("loss" in row.values for row in comparison.rows):
        return []
    words = [
        f"Held-out loss: nats a token of the answers of {where}. Small numbers below: 95 % intervals over seeds "
        "(Student's t); bold: the best mean of its column, which may be chance."
    ]
    if _against_first(comparison):
        words.append(
            f"Change and p: held-out loss less that of the first row ({comparison.rows[0].name}), by seed; paired t "
            "test, adjusted for the number of rows (Holm). Quality kept: the share of the first row's improvement over "
            "the base that the row reaches."
        )
    base = comparison.rows[0].values if comparison.rows else {}
    before = [
        f"{name} {shown_value(key, base[key].mean)}"
        for key, name in (
            ("base_loss", "held-out loss"), ("base_perplexity", "perplexity"), ("base_format_rate", "strict format"),
            ("base_general_rate", "general questions"),
        )
        if key in base
    ]  # fmt: skip
    if before:
        words.append(f"Before training: {', '.join(before)}.")
    if comparison.price_per_hour is not None:
        words.append(f"Cost: of one run, at {comparison.price_per_hour:g} an hour.")
    return words


def _against_first(comparison: Comparison) -> list[Heading]:
    if not any(row.difference for row in comparison.rows):
        return []
    kept = any(row.kept is not None for row in comparison.rows)
    return [Heading("change against first"), Heading("p"), *[Heading("quality kept")] * kept]


def _cells(
    comparison: Comparison, row: Row, bests: Mapping[str, float | None], compared: bool, *, first: bool
) -> list[Cell]:
    chosen = [Cell(row.chosen.get(key, "–"), value=number_of(row.chosen.get(key))) for key in comparison.chosen_by]
    before, behind = (
        [_measured(row, column.key, bests[column.key]) for column in columns]
        for columns in (comparison.columns[:2], _behind(comparison))
    )
    against = []
    if compared:
        one = row.difference
        against = [
            Cell("first" if first else shown_value("difference", one.mean if one else None),
                 _ends(one.low, one.high) if one else "", value=0.0 if first else one.mean if one else None),
            Cell("" if first else shown_p(one.p_holm if one else None), value=one.p_holm if one else None),
        ]  # fmt: skip
        if any(other.kept is not None for other in comparison.rows):
            against.append(Cell(shown_value("kept", row.kept), value=row.kept))
    runs = Cell(f"{row.done:,} of {row.asked:,}", value=float(row.done))
    return [*chosen, *before, *against, *behind, runs]


def _behind(comparison: Comparison) -> list[Column]:
    """The columns behind loss and perplexity; the learning rate is no second time there where it is chosen."""
    chosen = {"learning_rate"} if "optimizer.lr" in comparison.chosen_by else set()
    return [column for column in comparison.columns[2:] if column.key not in chosen]


def _measured(row: Row, key: str, best: float | None) -> Cell:
    one = row.values.get(key)
    if one is None:
        return Cell("–")
    return Cell(_whole(shown_value(key, one.mean)), _whole(shown_interval(key, one)), one.mean, best=one.mean == best)


def _ends(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return _whole(f"{shown_value('difference', low)} to {shown_value('difference', high)}")


def _whole(text: str) -> str:
    """The same, that it may be broken behind ` to ` only."""
    return text.replace(" ", "\u00a0").replace("\u00a0to\u00a0", "\u00a0to ")


def _best(rows: Sequence[Row], key: str, better: Better) -> float | None:
    """The best mean of a column; None where no way is better, or where all rows are equal."""
    means = {row.values[key].mean for row in rows if key in row.values and isfinite(row.values[key].mean)}
    if better is None or len(means) < 2:
        return None
    return min(means) if better == "lower" else max(means)
