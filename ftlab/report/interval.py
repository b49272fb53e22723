"""Estimates with their intervals, one line a thing that was measured: a dot for each value, a bar from low to high.

In: numbers and names. Out: `Markup`. Values of one line stand one above the other, each with the colour of its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from ftlab.report.axis import (
    BOTTOM,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    dot,
    drawing,
    fitted,
    line,
    rectangle,
    shown,
    spread,
    text,
)
from ftlab.report.legend import legend

_NAME_WIDTH = 160
_VALUE_HEIGHT, _GAP = 15, 12
_LOG_FROM = 8
"""From this ratio of the largest to the least value on, the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Value:
    """A measured number.

    Attributes:
        at: The number.
        low: Where its interval begins; None = no interval is known.
        high: Where it ends.
    """

    at: float
    low: float | None = None
    high: float | None = None

    def numbers(self) -> list[float]:
        """All that must have room on the axis."""
        return [number for number in (self.at, self.low, self.high) if number is not None and isfinite(number)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A line of the plot.

    Attributes:
        name: What was measured.
        values: One for each name of the legend; None = not measured.
    """

    name: str
    values: Sequence[Value | None]


def interval_plot(
    estimates: Sequence[Estimate],
    names: Sequence[str],
    *,
    colours: Sequence[int],
    x_title: str,
    whole: tuple[float, float] | None = None,
) -> Markup:
    """Draws values with their intervals.

    Args:
        estimates: At least one that has a finite value.
        names: What the legend calls the values of an estimate.
        colours: The number of each one's colour.
        x_title: What was measured, with its unit, and what the bars are.
        whole: The axis from its least to its largest number; None fits it to the values, logarithmic where they are
            far apart.

    Returns:
        The plot, as high as the estimates need.

    Raises:
        ValueError: There is nothing to draw.
    """
    numbers = [number for one in estimates for value in one.values if value for number in value.numbers()]
    if not numbers:
        raise ValueError("`estimates` must hold a finite value, but holds none.")
    left, right = _NAME_WIDTH, WIDTH - RIGHT - 8
    log = whole is None and min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_FROM
    if whole:
        x = Scale(*whole, left, right)
    else:
        pad = 0.06 * (max(numbers) - min(numbers))
        ends = (min(numbers) / 1.1, max(numbers) * 1.1) if log else (min(numbers) - pad, max(numbers) + pad)
        x = spread(ends, left, right, log=log)
    line_height = len(names) * _VALUE_HEIGHT + _GAP
    bottom = TOP - 6 + len(estimates) * line_height
    drawn = [legend(names, colours=colours, x=left), _axis(x, bottom, f"{x_title}{', logarithmic' if log else ''}")]
    for number, one in enumerate(estimates):
        top = TOP - 6 + number * line_height
        drawn.append(line(left, top + line_height, right, top + line_height, "grid"))
        middle = top + line_height / 2 + 4
        drawn.append(text(left - 10, middle, fitted(one.name, left - 14), anchor="end"))
        for place, (name, colour, value) in enumerate(zip(names, colours, one.values, strict=True)):
            if value is not None and isfinite(value.at):
                height = top + _GAP / 2 + (place + 0.5) * _VALUE_HEIGHT
                drawn.append(_value(x, height, value, colour, f"{one.name}, {name}: {_said(value)}"))
    said = "; ".join(
        f"{one.name}: {', '.join(f'{name} {_said(value)}' for name, value in zip(names, one.values, strict=True))}"
        for one in estimates
    )
    return drawing(f"{x_title}. {said}", *drawn, height=bottom + BOTTOM)


def _axis(x: Scale, bottom: float, title: str) -> Markup:
    drawn = [line(x.start, bottom, x.end, bottom, "axis")]
    for value in x.ticks(most=6):
        place = x(value)
        drawn += [
            line(place, TOP - 6, place, bottom + 4, "grid"),
            text(place, bottom + 17, shown(value), anchor="middle"),
        ]
    drawn.append(text((x.start + x.end) / 2, bottom + 36, title, anchor="middle", kind="title"))
    return Markup("").join(drawn)


def _value(x: Scale, y: float, value: Value, colour: int, hint: str) -> Markup:
    drawn = [dot(x(value.at), y, f"fill-{colour}", hint)]
    if value.low is not None and value.high is not None and isfinite(value.low) and isfinite(value.high):
        low, high = x(value.low), x(value.high)
        drawn.insert(0, rectangle(low, y - 2, max(high - low, 1), 4, f"fill-{colour}", hint))
        drawn += [rectangle(end - 0.75, y - 5, 1.5, 10, f"fill-{colour}") for end in (low, high)]
    return Markup("").join(drawn)


def _said(value: Value | None) -> str:
    if value is None:
        return "not measured"
    between = "" if value.low is None or value.high is None else f" ({shown(value.low)} to {shown(value.high)})"
    return f"{shown(value.at)}{between}"
