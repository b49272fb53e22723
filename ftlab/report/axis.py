"""The parts that all plots share: scales, ticks, axes, legends, in SVG. In: numbers and names. Out: `Markup`.

Colours are CSS classes of the page's base template: `fill-0` … `fill-8` and `line-0` … `line-8`, 0 the neutral one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 260
"""The size of a plot in its own units; the page scales it to its column."""

COLOURS = 8
"""How many things a plot tells apart by colour, and by shape or dashes."""

NO_LEGEND = 18
"""Where a plot begins that has no legend above."""

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 40, 44
"""Room around the plotted area for axes and legend."""

CHARACTER, _WIDE_CHARACTER = 7.4, 8.6
"""Width of a character of the plot's text, about, and as a phone shows it: there text is larger against the plot."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Places numbers on a line of the plot.

    Attributes:
        low: The number at `start`.
        high: The number at `end`; more than `low`.
        start: Where the axis begins.
        end: Where it ends.
        log: Whether equal ratios, not equal differences, are equally far apart; all numbers are above 0 then.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Returns the place of a number."""
        low, high, value = (
            (log10(n) for n in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, *, most: int) -> list[float]:
        """Returns round numbers of this scale, about `most` of them."""
        if self.log:
            return log_ticks(self.low, self.high, most=most)
        found = ticks(self.low, self.high, most=most)
        return found if len(found) > 2 else ticks(self.low, self.high, most=most + 2)


def spread(values: Iterable[float], start: float, end: float, *, log: bool = False) -> Scale:
    """Returns the scale on which all these numbers have room; at least one, all finite, above 0 where `log`."""
    found = list(values)
    low, high = min(found), max(found)
    if low == high:
        room = 0.05 * abs(low) or 0.5
        low, high = (low / 2, high * 2) if log else (low - room, high + room)
    return Scale(low, high, start, end, log)


def padded(values: Iterable[float], start: float, end: float, *, log: bool = False, share: float = 0.08) -> Scale:
    """Returns the scale of `spread` with a share of it left free at each end."""
    tight = spread(values, start, end, log=log)
    if log:
        factor = (tight.high / tight.low) ** share
        return Scale(tight.low / factor, tight.high * factor, start, end, log)
    room = share * (tight.high - tight.low)
    return Scale(tight.low - room, tight.high + room, start, end)


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


def log_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Returns powers of ten from `low` to `high`; where they are few, other round ones, too.

    >>> log_ticks(1.1, 4.9)
    [2.0, 3.0, 4.0]
    >>> log_ticks(2, 300)
    [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
    >>> log_ticks(0.5, 2e6)
    [1.0, 100.0, 10000.0, 1000000.0]

    Args:
        low: The least number, above 0.
        high: The largest number, more than `low`.
        most: About how many; never fewer than two.
    """
    powers = range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)
    if len(powers) >= max(2, most / 2):
        return [float(f"1e{power}") for power in powers[:: ceil(len(powers) / most)]]
    made = (float(f"{factor}e{power}") for power in range(floor(log10(low)), powers.stop) for factor in (1, 2, 5))
    within = [value for value in made if low * 0.999 <= value <= high * 1.001]
    if len(within) > 2:
        return within
    evenly = ticks(low, high, most=most)
    return evenly if len(evenly) > 1 else [low, high]


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


def dot(x: float, y: float, kind: str, title: str = "", *, radius: float = 4) -> Markup:
    """A filled circle; `title` is shown where the mouse rests."""
    hint = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}">{}</circle>').format(
        round(x, 1), round(y, 1), radius, kind, hint
    )


def fitted(name: str, width: float) -> str:
    """A name, its middle left out where it is wider than there is room."""
    most = max(3, int(width / _WIDE_CHARACTER))
    return name if len(name) <= most else f"{name[: (most - 1) // 2]}…{name[len(name) - most // 2 :]}"


_SIGNS = ("M-5 -8h10l-5 8z", "M-4 -8l8 8M4 -8l-8 8", "M0 -9v9M-4 -4l4 4l4 -4", "M-4 -8h8v8h-8z")


def sign(number: int, x: float, y: float, title: str = "") -> Markup:
    """A small sign that stands on a place, one of four that differ in shape: triangle, cross, arrow, square."""
    hint = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<path d="{}" transform="translate({} {})" class="sign">{}</path>').format(
        _SIGNS[number], round(x, 1), round(y, 1), hint
    )


def axes(
    x: Scale,
    y: Scale,
    *,
    x_title: str,
    y_title: str,
    x_marks: Sequence[tuple[float, str]] | None = None,
    width: float = WIDTH,
) -> Markup:
    """Ticks with thin lines, and what the axes show with its unit.

    Args:
        x: Places numbers from left to right.
        y: Places numbers upwards.
        x_title: What runs to the right.
        y_title: What runs upwards.
        x_marks: Ticks of the x axis as (number, label); None takes round numbers.
        width: Of the whole plot.

    Returns:
        The axes.
    """
    parts = []
    for value, label in _marks(y, most=5):
        place = y(value)
        parts += [line(x.start, place, x.end, place, "grid"), text(x.start - 6, place + 4, label, anchor="end")]
    for value, label in x_marks or _marks(x, most=7):
        place = x(value)
        at_edge = place + CHARACTER * len(label) / 2 > width
        parts.append(line(place, y.start, place, y.start + 4, "axis"))
        parts.append(text(width if at_edge else place, y.start + 17, label, anchor="end" if at_edge else "middle"))
    parts += [
        line(x.start, y.start, x.end, y.start, "axis"),
        text((x.start + x.end) / 2, y.start + 36, x_title, anchor="middle", kind="title"),
        text(4, y.end - 10, y_title, kind="title"),
    ]
    return Markup("").join(parts)


def _marks(scale: Scale, *, most: int) -> list[tuple[float, str]]:
    """Ticks with their labels; of numbers so near each other that they read alike, the first."""
    named: dict[str, float] = {}
    for value in scale.ticks(most=most):
        named.setdefault(shown(value), value)
    return [(value, label) for label, value in named.items()]


def drawing(
    label: str, *parts: Markup, height: float = HEIGHT, width: float = WIDTH, top: float = 0, description: str = ""
) -> Markup:
    """The whole plot.

    Args:
        label: What it shows, in words.
        *parts: What is drawn.
        height: Its lower end.
        width: Its right end.
        top: Its upper end: what lies above is empty.
        description: Its numbers, to those who can't see them.
    """
    said = Markup("<desc>{}</desc>").format(description) if description else ""
    return Markup('<svg class="plot" viewBox="0 {} {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        round(top), round(width), round(height - top), label, said, Markup("").join(parts)
    )
