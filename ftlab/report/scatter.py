"""Runs as points of a plane, such as target against forgetting: groups differ in colour and in shape.

In: numbers and names. Out: `Markup`, as in `plot`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from ftlab.report.axis import (
    BOTTOM,
    HEIGHT,
    LEFT,
    NO_LEGEND,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axes,
    drawing,
    line,
    padded,
    shown,
    text,
)
from ftlab.report.legend import legend_width, rows_of_names

SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", "M-6 5h12l-6 -11z", "M-5 -5h10v10h-10z", "M0 -7l7 7l-7 7l-7 -7z",
    "M-6 -5h12l-6 11z", "M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4z", "M-6 -5l12 10v-10l-12 10z", "M-3 -6h6l4 6l-4 6h-6l-4 -6z",
)  # fmt: skip
"""Circle, triangle, square, diamond, triangle on its head, plus, bow tie, hexagon: one for each colour."""

_CHARACTER, _LINE = 7.4, 13
"""Width of a character of the plot's text, and height of a line of it, about."""

_MARGIN = 0.1
"""Share of the axis that stays free on each side of the points."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point.

    Attributes:
        x: To the right.
        y: Upwards.
        label: What stands beside it; empty for nothing.
        low: Where its bar along the x axis begins; None draws none.
        high: Where it ends.
        bottom: Where its bar along the y axis begins; None draws none.
        top: Where it ends.
        hint: What it is, to whoever points at it; empty = the names of its group and its label.
    """

    x: float
    y: float
    label: str = ""
    low: float | None = None
    high: float | None = None
    bottom: float | None = None
    top: float | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Points that belong together.

    Attributes:
        name: What the legend calls them.
        points: In the order in which they are joined.
        joined: Whether a thin line leads from each to the next.
        faint: Whether they are only the ground for others, such as single runs behind their mean.
    """

    name: str
    points: Sequence[Point]
    joined: bool = False
    faint: bool = False


def scatter_plot(groups: Sequence[Group], *, colours: Sequence[int], x_title: str, y_title: str) -> Markup:
    """Draws points over common axes.

    Args:
        groups: At least one with a point; groups of one colour are named once in the legend.
        colours: The number of each group's colour, 0 (neutral) to 8; it fixes the shape, too.
        x_title: What runs to the right, with its unit.
        y_title: What runs upwards, with its unit.

    Returns:
        The plot.

    Raises:
        ValueError: There is no point, or one that is not finite.
    """
    points = [point for group in groups for point in group.points]
    if not points or not all(isfinite(number) for point in points for number in [*_across(point), *_upwards(point)]):
        raise ValueError(f"`groups` must hold at least one point, all finite, but hold {points}.")
    x = padded([number for point in points for number in _across(point)], LEFT, WIDTH - RIGHT, share=_MARGIN)
    y = padded([number for point in points for number in _upwards(point)], HEIGHT - BOTTOM, TOP, share=_MARGIN)
    above, below, height = _legend(groups, colours)
    drawn = [axes(x, y, x_title=x_title, y_title=y_title), above, below]
    drawn += [_group(group, colour, x, y) for group, colour in zip(groups, colours, strict=True)]
    drawn += _labels([(x(point.x), y(point.y), point.label) for point in points if point.label])
    said = "; ".join(_said(group) for group, colour in zip(groups, colours, strict=True) if colour and not group.faint)
    top = 0 if above else NO_LEGEND
    return drawing(f"{y_title} by {x_title}", *drawn, height=HEIGHT + height, top=top, description=said)


def _said(group: Group) -> str:
    points = (f"{point.label} {shown(point.x)}, {shown(point.y)}".strip() for point in group.points)
    return f"{group.name}: {'; '.join(points)}"


def _across(point: Point) -> list[float]:
    return [number for number in (point.x, point.low, point.high) if number is not None]


def _upwards(point: Point) -> list[float]:
    return [number for number in (point.y, point.bottom, point.top) if number is not None]


def _group(group: Group, colour: int, x: Scale, y: Scale) -> Markup:
    drawn = []
    if group.joined:
        path = "M" + "L".join(f"{x(point.x):.1f} {y(point.y):.1f}" for point in group.points)
        drawn.append(Markup('<path d="{}" class="line-{} faint"/>').format(path, colour))
    for point in group.points:
        place, height = x(point.x), y(point.y)
        if point.low is not None and point.high is not None:
            drawn.append(line(x(point.low), height, x(point.high), height, f"line-{colour} faint"))
        if point.bottom is not None and point.top is not None:
            drawn.append(line(place, y(point.bottom), place, y(point.top), f"line-{colour} faint"))
        name = point.hint or f"{group.name} {point.label}".strip()
        hint = f"{name}: {shown(point.x)}, {shown(point.y)}"
        drawn.append(_mark(place, height, colour, hint, faint=group.faint))
    return Markup("").join(drawn)


def _labels(wanted: Sequence[tuple[float, float, str]]) -> list[Markup]:
    """Text beside its place: on the first side where it covers no label that is there already."""
    drawn: list[Markup] = []
    taken: list[tuple[float, float, float]] = []
    for x, y, label in wanted:
        width = _CHARACTER * len(label)
        sides = [(x + 9, y - 7), (x + 9, y + 15), (x - 9 - width, y - 7), (x - 9 - width, y + 15)]
        free = (side for side in sides if not any(_covers(*side, width, *other) for other in taken))
        left, base = next(free, sides[0])
        taken.append((left, base, width))
        drawn.append(text(left, base, label))
    return drawn


def _covers(x: float, y: float, width: float, other_x: float, other_y: float, other_width: float) -> bool:
    return abs(y - other_y) < _LINE and x < other_x + other_width and other_x < x + width


def _mark(x: float, y: float, colour: int, hint: str = "", *, faint: bool = False) -> Markup:
    title = Markup("<title>{}</title>").format(hint) if hint else ""
    template = Markup('<path d="{}" class="fill-{}" transform="translate({} {}) scale({})" fill-opacity="{}">{}</path>')
    shape = SHAPES[max(colour - 1, 0)]
    look = (0.6, 0.45) if faint else (1, 1) if colour else (0.7, 1)
    return template.format(shape, colour, round(x, 1), round(y, 1), *look, title)


def _legend(groups: Sequence[Group], colours: Sequence[int]) -> tuple[Markup, Markup, float]:
    """One mark and name for each colour, by the first group that has it: above the plot, or below it, and how high."""
    names: dict[int, str] = {}
    for group, colour in zip(groups, colours, strict=True):
        names.setdefault(colour, group.name)
    if legend_width([*names.values()]) > WIDTH - LEFT:
        return Markup(""), *rows_of_names(
            [(_mark(0, 0, colour), name) for colour, name in names.items()], y=HEIGHT + 12
        )
    drawn, x = [], float(LEFT)
    for colour, name in names.items():
        drawn += [_mark(x + 6, 10, colour), text(x + 17, 14, name)]
        x += legend_width([name])
    return Markup("").join(drawn), Markup(""), 0
