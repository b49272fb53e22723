"""Legends of plots: on one line above, or on as many as they need below. In: marks and names. Out: `Markup`."""

from collections.abc import Sequence

from markupsafe import Markup

from ftlab.report.axis import CHARACTER, LEFT, WIDTH, fitted, line, rectangle, text

_NAME_LINE = 18
"""Height of a line of a legend."""


def legend(
    names: Sequence[str],
    *,
    colours: Sequence[int] = (1, 2, 3, 4),
    lines: bool = False,
    faint: Sequence[bool] = (),
    x: float = LEFT,
    y: float = 14,
) -> Markup:
    """One mark and name for each series.

    Args:
        names: Of the series.
        colours: The number of each one's colour.
        lines: Whether they are lines, not areas.
        faint: Which of the lines are only the ground for another.
        x: Where the first mark begins.
        y: Where the names stand.
    """
    parts = []
    is_faint = [*faint, *(False for _ in names)]
    for number, name, ground in zip(colours, names, is_faint, strict=False):
        kind = f"line-{number}{' faint' if ground else ''}"
        mark = line(x, y - 4, x + 18, y - 4, kind) if lines else rectangle(x, y - 10, 11, 11, f"fill-{number}")
        parts += [mark, text(x + (24 if lines else 17), y, name)]
        x += legend_width([name])
    return Markup("").join(parts)


def legend_width(names: Sequence[str]) -> float:
    """Returns how wide a legend of one line is, about."""
    return sum(34 + CHARACTER * len(name) for name in names)


def rows_of_names(marks: Sequence[tuple[Markup, str]], *, y: float, width: float = WIDTH) -> tuple[Markup, float]:
    """A legend of as many lines as it needs, for below a plot.

    Args:
        marks: A mark drawn around the origin, at most 18 wide, and its name.
        y: Where the names of the first line stand.
        width: Of the whole plot.

    Returns:
        The legend, and how high it is.
    """
    drawn = []
    x, row = 12.0, 0
    for mark, name in marks:
        said = fitted(name, width - 60)
        needed = 36 + CHARACTER * len(said)
        if x > 12 and x + needed > width:
            x, row = 12.0, row + 1
        base = y + _NAME_LINE * row
        place = Markup('<g transform="translate({} {})">{}</g>')
        drawn += [place.format(round(x, 1), round(base - 4, 1), mark), text(x + 15, base, said)]
        x += needed
    return Markup("").join(drawn), _NAME_LINE * (row + 1) if marks else 0
