"""Loss by what is chosen within a row, such as the learning rate: one small plot a row, all with the same upward axis.

In: rows of a comparison. Out: SVG, as in `ftlab.report.plot`.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from markupsafe import Markup

from ftlab.report.axis import Scale, axes, dot, drawing, fitted, line, padded, text
from ftlab.report.sweep.cell import shown_interval, shown_value
from ftlab.report.sweep.comparison import Choice, Comparison, Row
from ftlab.report.sweep.group import number_of
from ftlab.report.sweep.plots import LOG_FROM, bar

_WIDTH, _HEIGHT = 300, 176
_SHOWN = 24
"""Plots at most; the numbers of all are in a table."""


def choices_of(comparison: Comparison, colours: Mapping[int, int]) -> dict[str, Any]:
    """Returns what was tried within the rows.

    Args:
        comparison: What was found.
        colours: The number of the colour by the row's place, of those that have one.

    Returns:
        `chosen_by`; `choices`: plots, coloured rows first, `choices_left_out` of them not drawn; `choices_log`: whether
        their upward axis is logarithmic; `tried`: all choices as cells.
    """
    several = [(place, row) for place, row in enumerate(comparison.rows) if len(row.choices) > 1]
    within = choice_range(row for _, row in several)
    key = comparison.chosen_by[0] if comparison.chosen_by else ""
    drawn = [] if within is None else sorted(several, key=lambda one: (one[0] not in colours, one[0]))[:_SHOWN]
    return {
        "chosen_by": comparison.chosen_by,
        "choices": [
            {
                "name": row.name,
                "colour": colours.get(place),
                "plot": choice_plot(row, key, within, colours.get(place, 0)),
            }
            for place, row in drawn
            if within is not None
        ],
        "choices_left_out": len(several) - len(drawn),
        "choices_log": within is not None and 0 < LOG_FROM * within[0] <= within[1],
        "tried": [line for _, row in several for line in _tried(row)],
    }


def _tried(row: Row) -> list[tuple[str, ...]]:
    return [
        (
            row.name,
            ", ".join(choice.settings.values()),
            shown_value("loss", choice.loss.mean if choice.loss else None),
            shown_interval("loss", choice.loss) if choice.loss else "",
            f"{choice.done} of {choice.asked}",
            "chosen" if row.chosen and choice.settings.items() <= row.chosen.items() else "",
        )
        for choice in row.choices
    ]


def choice_range(rows: Iterable[Row]) -> tuple[float, float] | None:
    """Returns the least and the largest loss of all that could be chosen in any row; None where there is none."""
    losses = [loss for row in rows for choice in row.choices for loss in _losses(choice)]
    return (min(losses), max(losses)) if losses else None


def _losses(choice: Choice) -> list[float]:
    if choice.loss is None:
        return []
    return [loss for loss in (choice.loss.mean, *bar(choice.loss)) if loss is not None and isfinite(loss)]


def choice_plot(row: Row, key: str, within: tuple[float, float], colour: int) -> Markup:
    """Draws a row's held-out loss by what was chosen in it; what was chosen has a ring.

    Args:
        row: With at least two choices that differ in `key`.
        key: What runs to the right; logarithmic where all its values are numbers above 0. Where others are chosen, too,
            the line leads through the least loss of each value.
        within: Of `choice_range`: all rows have the same upward axis.
        colour: Of the row.

    Returns:
        A small plot.
    """
    names = [choice.settings[key] for choice in row.choices]
    numbers = [number_of(name) for name in names]
    log = all(number is not None and number > 0 for number in numbers)
    places = [number for number in numbers if number is not None] if log else [float(n) for n in range(len(names))]
    x = padded(places, 52, _WIDTH - 16, log=log)
    upward_log = within[0] > 0 and within[1] >= LOG_FROM * within[0]
    y = padded(within, _HEIGHT - 44, 30, log=upward_log)
    points = [
        (x(place), choice) for place, choice in sorted(zip(places, row.choices, strict=True), key=lambda one: one[0])
    ]
    least: dict[float, float] = {}
    for at, choice in points:
        if choice.loss is not None and isfinite(choice.loss.mean):
            least[at] = min(choice.loss.mean, least.get(at, choice.loss.mean))
    path = "L".join(f"{at:.1f} {y(loss):.1f}" for at, loss in least.items())
    drawn = [
        axes(
            x, y, x_title=f"{fitted(key, 200)}{', logarithmic' if log else ''}", y_title="held-out loss, nats",
            x_marks=_apart([(place, name) for place, name in sorted(zip(places, names, strict=True))], x), width=_WIDTH,
        ),
        Markup('<path d="M{}" class="line-{} faint"/>').format(path, colour) if path else Markup(""),
        *(_choice(at, choice, row, y, colour) for at, choice in points),
    ]  # fmt: skip
    said = "; ".join(f"{choice.settings[key]}: {_said(choice)}" for _, choice in points)
    return drawing(f"{row.name}: held-out loss by {key}", *drawn, width=_WIDTH, height=_HEIGHT, top=6, description=said)


def _choice(at: float, choice: Choice, row: Row, y: Scale, colour: int) -> Markup:
    name = ", ".join(choice.settings.values())
    if choice.loss is None or not isfinite(choice.loss.mean):
        return text(at, y.start - 6, "×", anchor="middle", kind="mark")
    drawn = []
    low, high = bar(choice.loss)
    if low is not None and high is not None:
        drawn.append(line(at, y(low), at, y(high), f"line-{colour} faint"))
    if choice.settings.items() <= row.chosen.items():
        drawn.append(
            Markup('<circle cx="{}" cy="{}" r="8" class="ring"/>').format(round(at, 1), round(y(choice.loss.mean), 1))
        )
    drawn.append(dot(at, y(choice.loss.mean), f"fill-{colour}", f"{name}: {_said(choice)}"))
    return Markup("").join(drawn)


def _said(choice: Choice) -> str:
    loss = "no run is done" if choice.loss is None else f"{choice.loss.mean:.4g}"
    return f"{loss}, {choice.done} of {choice.asked} runs"


def _apart(marks: Sequence[tuple[float, str]], x: Scale) -> list[tuple[float, str]]:
    """Those marks whose names don't cover each other, from the left."""
    kept: list[tuple[float, str]] = []
    end = float("-inf")
    for place, name in marks:
        said = fitted(name, 90)
        half = 4 * len(said)
        if x(place) - half > end:
            kept.append((place, said))
            end = x(place) + half
    return kept
