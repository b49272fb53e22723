"""The parts that all plots share: scales, ticks, axes, legends, in SVG. In: numbers and names. Out: `Markup`.

Colours are CSS classes that the page's base template defines: `fill-0` … `fill-4`, 0 the neutral one, and `line-1` …
`line-4`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 260
"""The size of a plot in its own units; the page scales it to its column."""

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 40, 44
"""Room around the plotted area for axes and legend."""

_CHARACTER = 7.4
"""Width of a character of the plot's text, about."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Places numbers on a line of the plot.

    Attributes:
        low: The number at `start`.
        high: The number at `end`; more than `low`.
        start: Where the axis begins.
        end: Where it ends.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Returns the place of a number."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Returns round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`.

    >>> ticks(0, 730)
    [0, 200, 400, 600]

    Args:
        low: The least number.
        high: The largest number, more than `low`.
        most: How many at most.
    """
    raw = (high - low) / max(most - 1, 1)
    power = 10 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [number * step for number in range(first, floor(high / step + 1e-9) + 1)]


def shown(value: float) -> str:
    """A number as an axis shows it: whole with thousands marked, or with the digits that it needs."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.3g}"


def text(x: float, y: float, content: str, *, anchor: str = "start", kind: str = "") -> Markup:
    """Text at a place; `anchor` is `start`, `middle` or `end`."""
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, kind, escape(content)
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line of a CSS class."""
    numbers = (round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1))
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*numbers, kind)


def rectangle(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> Markup:
    """A filled rectangle; `title` is shown where the mouse rests."""
    hint = Markup("<title>{}</title>").format(title) if title else ""
    numbers = (round(x, 1), round(y, 1), round(max(width, 0), 1), round(max(height, 0), 1))
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}">{}</rect>').format(*numbers, kind, hint)


def legend(
    names: Sequence[str], *, colours: Sequence[int] = (1, 2, 3, 4), lines: bool = False, x: float = LEFT, y: float = 14
) -> Markup:
    """One mark and name for each series; `colours` has the number of each one's colour."""
    parts = []
    for number, name in zip(colours, names, strict=False):
        mark = (
            line(x, y - 4, x + 18, y - 4, f"line-{number}") if lines else rectangle(x, y - 10, 11, 11, f"fill-{number}")
        )
        parts += [mark, text(x + (24 if lines else 17), y, name)]
        x += 34 + _CHARACTER * len(name)
    return Markup("").join(parts)


def axes(
    x: Scale, y: Scale, *, x_title: str, y_title: str, x_marks: Sequence[tuple[float, str]] | None = None
) -> Markup:
    """Ticks with thin lines, and what the axes show with its unit.

    Args:
        x: Places numbers from left to right.
        y: Places numbers upwards.
        x_title: What runs to the right.
        y_title: What runs upwards.
        x_marks: Ticks of the x axis as (number, label); None takes round numbers.

    Returns:
        The axes.
    """
    parts = []
    for value in ticks(y.low, y.high, most=5):
        place = y(value)
        parts += [line(x.start, place, x.end, place, "grid"), text(x.start - 6, place + 4, shown(value), anchor="end")]
    for value, label in x_marks or [(value, shown(value)) for value in ticks(x.low, x.high, most=7)]:
        place = x(value)
        parts += [line(place, y.start, place, y.start + 4, "axis"), text(place, y.start + 17, label, anchor="middle")]
    parts += [
        line(x.start, y.start, x.end, y.start, "axis"),
        text((x.start + x.end) / 2, y.start + 36, x_title, anchor="middle", kind="title"),
        text(4, TOP - 10, y_title, kind="title"),
    ]
    return Markup("").join(parts)


def drawing(label: str, *parts: Markup, height: float = HEIGHT) -> Markup:
    """The whole plot; `label` says in words what it shows."""
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, round(height), label, Markup("").join(parts)
    )
