"""Plots as SVG for the pages: histogram, horizontal bars, lines. In: numbers and names. Out: `Markup`.

They need no script, open offline, and follow the page's light and dark colours (chosen to be told apart by colour-blind
people; lines also differ in their dashes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from markupsafe import Markup

from ftlab.report.axis import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    NO_LEGEND,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axes,
    dot,
    drawing,
    fitted,
    line,
    rectangle,
    shown,
    sign,
    spread,
    text,
)
from ftlab.report.legend import legend, legend_width, rows_of_names

_BAR, _BAR_GAP = 22, 12
_NAME_WIDTH = 176


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a plot.

    Attributes:
        name: What the legend calls it.
        points: (x, y), x ascending; a y of None or NaN breaks the line.
        faint: Whether it is only the ground for another line.
        dots: Whether each point is marked: where they are few.
        colour: The number of its colour, 0 (neutral) to 8; None = its place among the lines. Lines of one colour are
            named once in the legend.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    faint: bool = False
    dots: bool = False
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at some places of the x axis.

    Attributes:
        name: What the legend calls it.
        places: Where on the x axis.
    """

    name: str
    places: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar.

    Attributes:
        name: What it stands for.
        parts: Its lengths, one for each name of the legend, none below 0.
        label: What stands behind it.
    """

    name: str
    parts: Sequence[float]
    label: str


def histogram(
    bins: Sequence[tuple[int, int, int]],
    *,
    x_title: str,
    y_title: str,
    names: tuple[str, str],
    limit: int | None = None,
) -> Markup:
    """Draws how many values lie in each bin, and a limit.

    All bars are drawn equally wide, so that a last bin that reaches far doesn't flatten the others.

    Args:
        bins: (first value, last value, count), ascending and without gaps; at least one.
        x_title: What is counted, with its unit.
        y_title: What the counts are of.
        names: What the legend calls values up to the limit, and above it.
        limit: The largest value allowed; None draws no limit.

    Returns:
        The plot. Bins that begin above the limit have the second colour; a limit beyond the last bin is named only.
    """
    x = Scale(0, len(bins), LEFT, WIDTH - 2 * RIGHT)
    y = Scale(0, max(max(count for _, _, count in bins), 1) * 1.05, HEIGHT - BOTTOM, TOP)
    drawn = [
        axes(x, y, x_title=x_title, y_title=y_title, x_marks=_edges(bins)),
        *(_histogram_bar(number, one, x, y, limit) for number, one in enumerate(bins) if one[2]),
    ]
    over = limit is not None and any(count for first, _, count in bins if first > limit)
    drawn.append(legend(names if over else names[:1]))
    if limit is None:
        return drawing(f"{y_title} by {x_title}", *drawn)
    place = next(
        (
            number + (limit + 1 - first) / (last + 1 - first)
            for number, (first, last, _) in enumerate(bins)
            if limit <= last
        ),
        None,
    )
    if place is None:
        drawn.append(text(x.end, TOP + 12, f"limit {limit:,} →", anchor="end", kind="mark"))
    else:
        left = place > len(bins) / 2
        label = text(
            x(place) + (-6 if left else 6), TOP + 12, f"limit {limit:,}", anchor="end" if left else "start", kind="mark"
        )
        drawn += [line(x(place), TOP, x(place), y.start, "limit"), label]
    return drawing(f"{y_title} by {x_title}, limit {limit:,}", *drawn)


def _edges(bins: Sequence[tuple[int, int, int]]) -> list[tuple[float, str]]:
    """The first values of some bins, and the last value of all."""
    step = ceil(len(bins) / 6)
    marks = [(float(number), f"{first:,}") for number, (first, _, _) in enumerate(bins) if number % step == 0]
    return [*(mark for mark in marks if mark[0] <= len(bins) - 0.6 * step), (float(len(bins)), f"{bins[-1][1]:,}")]


def _histogram_bar(number: int, one: tuple[int, int, int], x: Scale, y: Scale, limit: int | None) -> Markup:
    first, last, count = one
    height = max(y.start - y(count), 1.5)  # one row among thousands must be seen
    kind = "fill-2" if limit is not None and first > limit else "fill-1"
    hint = f"{first:,} to {last:,}: {count:,}"
    return rectangle(x(number), y.start - height, x(number + 1) - x(number) - 1, height, kind, hint)


def bar_plot(bars: Sequence[Bar], names: Sequence[str], *, colours: Sequence[int], x_title: str) -> Markup:
    """Draws horizontal bars, each made of parts.

    Args:
        bars: At least one.
        names: What the legend calls the parts.
        colours: The number of each part's colour, 0 (neutral) to 4.
        x_title: What their length shows, with its unit.

    Returns:
        The plot, as high as the bars need.
    """
    height = TOP + len(bars) * (_BAR + _BAR_GAP) + BOTTOM
    longest = max(max(sum(bar.parts) for bar in bars), 1e-9)
    label_width = 7 * max(len(bar.label) for bar in bars) + 10
    x = Scale(0, longest, _NAME_WIDTH, WIDTH - RIGHT - label_width)
    drawn = [legend(names, colours=colours, x=_NAME_WIDTH)]
    for number, bar in enumerate(bars):
        top = TOP - 8 + number * (_BAR + _BAR_GAP)
        drawn.append(text(_NAME_WIDTH - 8, top + _BAR - 6, fitted(bar.name, _NAME_WIDTH - 12), anchor="end"))
        start = 0.0
        for colour, name, part in zip(colours, names, bar.parts, strict=True):
            hint = f"{bar.name}: {name} {shown(part)}"
            drawn.append(rectangle(x(start), top, x(start + part) - x(start), _BAR, f"fill-{colour}", hint))
            start += part
        drawn.append(text(x(start) + 6, top + _BAR - 6, bar.label))
    drawn.append(text(_NAME_WIDTH, height - BOTTOM + 12, x_title, kind="title"))
    said = "; ".join(f"{bar.name}: {bar.label}" for bar in bars)
    return drawing(f"{x_title}. {said}", *drawn, height=height - BOTTOM + 24)


def line_plot(
    series: Sequence[Series],
    *,
    x_title: str,
    y_title: str,
    log: bool = False,
    events: Sequence[Event] = (),
    band: tuple[float, float] | None = None,
) -> Markup:
    """Draws lines over a common axis.

    Args:
        series: At least one line, and one of them with a point; of at most eight colours, so that they can be told
            apart.
        x_title: What runs to the right, with its unit.
        y_title: What the lines show, with its unit.
        log: Whether equal ratios are equally high; values of 0 and below break the line then.
        events: At most four kinds, each with a sign of its own.
        band: A stretch of the x axis with another ground.

    Returns:
        The plot.

    Raises:
        ValueError: There is nothing to draw, or a line has no colour.
    """
    lines = [[(x, y) if _drawable(y, log) else (x, None) for x, y in one.points] for one in series]
    points = [(x, y) for one in lines for x, y in one if y is not None]
    colours = [number if one.colour is None else one.colour for number, one in enumerate(series, start=1)]
    if not points or not all(0 <= colour <= COLOURS for colour in colours):
        what = f"must hold lines of 1 to {COLOURS} colours with at least one point"
        raise ValueError(f"`series` {what}, but holds {len(series)} of {len(set(colours))}.")
    x = spread([x for one in lines for x, _ in one], LEFT, WIDTH - RIGHT)
    y = spread([y for _, y in points], HEIGHT - BOTTOM, TOP, log=log)
    numbered = [*zip(colours, series, lines, strict=True)]
    numbered.sort(key=lambda line: not line[1].faint)  # the ground of the others lies below them
    named = {colour: one for colour, one in reversed([*zip(colours, series, strict=True)]) if one.name}
    above, below, height = _named_lines(dict(sorted(named.items())), events)
    drawn = [
        _band(x, band),
        axes(x, y, x_title=x_title, y_title=y_title),
        above,
        *(_line(colour, one, line, x, y) for colour, one, line in numbered),
        *(sign(number, x(place), TOP + 8, one.name) for number, one in enumerate(events) for place in one.places),
        below,
    ]
    names = [*(one.name for one in named.values()), *(event.name for event in events)]
    top = 0 if above else NO_LEGEND
    return drawing(f"{y_title} by {x_title}: {', '.join(names)}", *drawn, height=HEIGHT + height, top=top)


def _named_lines(named: Mapping[int, Series], events: Sequence[Event]) -> tuple[Markup, Markup, float]:
    """The legend above the plot, the one below it, and how high that is.

    What needs more than a line stands below, with the signs of events.
    """
    names = [one.name for one in named.values()]
    signs = [(sign(number, 0, 4), event.name) for number, event in enumerate(events)]
    if len(names) <= 4 and legend_width(names) <= WIDTH - LEFT:
        below, height = rows_of_names(signs, y=HEIGHT + 12)
        above = legend(names, colours=[*named], lines=True, faint=[one.faint for one in named.values()])
        return above, below, height
    strokes = [
        (line(-9, 0, 9, 0, f"line-{number}{' faint' if one.faint else ''}"), one.name) for number, one in named.items()
    ]
    return Markup(""), *rows_of_names([*strokes, *signs], y=HEIGHT + 12)


def _drawable(value: float | None, log: bool) -> bool:
    return value is not None and isfinite(value) and (value > 0 or not log)


def _line(number: int, series: Series, points: Sequence[tuple[float, float | None]], x: Scale, y: Scale) -> Markup:
    path, pen_down, dots = "", False, []
    for place, value in points:
        if value is not None:
            path += f"{'L' if pen_down else 'M'}{x(place):.1f} {y(value):.1f}"
            dots.append((place, value))
        pen_down = value is not None
    kind = f"line-{number}{' faint' if series.faint else ''}"
    drawn = [Markup('<path d="{}" class="{}"/>').format(path, kind)]
    if series.dots:
        hint = "{}: {} at {}"
        drawn += [
            dot(x(place), y(value), f"fill-{number}", hint.format(series.name, shown(value), shown(place)), radius=3)
            for place, value in dots
        ]
    return Markup("").join(drawn)


def _band(x: Scale, band: tuple[float, float] | None) -> Markup:
    if band is None:
        return Markup("")
    low, high = (min(max(place, x.low), x.high) for place in band)
    return rectangle(x(low), TOP, max(x(high) - x(low), 3), HEIGHT - BOTTOM - TOP, "band")
