"""The plots of a comparison: quality against what it costs, and held-out curves.

In: a comparison. Out: SVG, as in `ftlab.report.plot`. A row has the same colour on all plots.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from markupsafe import Markup

from ftlab import metric
from ftlab.report.axis import COLOURS
from ftlab.report.curves import thinned
from ftlab.report.folder import METRICS, Column, read_metrics
from ftlab.report.plot import Series, line_plot
from ftlab.report.scatter import Group, Point, scatter_plot
from ftlab.report.sweep.comparison import Comparison, Measured, Row
from ftlab.report.sweep.read import Job

OTHERS = "other rows"
"""What a legend calls the rows that have no colour of their own."""

BARS_FROM = 3
"""Seeds from which on an interval is drawn; one of two seeds would reach far beyond all values."""

CURVES_MOST = 64
"""Curves that are drawn at most; more would only be a carpet."""

LOSS = "held-out loss, nats a token"
LOG_FROM = 4
"""From this ratio of the largest to the least loss on, its axis is logarithmic."""


def coloured(comparison: Comparison) -> dict[int, int]:
    """Returns which rows have a colour of their own: all, or where they are many, the first and those of least loss.

    Args:
        comparison: What was found.

    Returns:
        The number of the colour by the row's place.
    """
    places = list(range(len(comparison.rows)))
    if len(places) > COLOURS:
        ranked = sorted(places[1:], key=lambda place: _mean(comparison.rows[place], "loss", float("inf")))
        places = sorted([0, *ranked[: COLOURS - 1]])
    return {place: colour for colour, place in enumerate(places, start=1)}


def plane_plot(
    comparison: Comparison, key: str, colours: Mapping[int, int], *, loss: str, x_title: str, size: float = 1
) -> Markup | None:
    """Draws held-out loss against another column: means with their intervals, and behind them each run.

    Args:
        comparison: What was found.
        key: Of the column that runs to the right.
        colours: Of `coloured`.
        loss: Where the held-out loss of a job stands.
        x_title: What runs to the right, with its unit.
        size: How many of the column's own unit one of the axis's is.

    Returns:
        The plot; None where no row has both numbers.
    """
    others, runs, means = [], [], []
    for place, row in enumerate(comparison.rows):
        across, up = row.values.get(key), row.values.get("loss")
        if across is None or up is None or not isfinite(across.mean) or not isfinite(up.mean):
            continue
        if place not in colours:
            others.append(Point(across.mean / size, up.mean, hint=row.name))
            continue
        x, y = bar(across, size), bar(up)
        mean = Point(across.mean / size, up.mean, low=x[0], high=x[1], bottom=y[0], top=y[1])
        means.append((Group(row.name, [mean]), colours[place]))
        runs.append((Group(row.name, _each_run(row, key, loss, size), faint=True), colours[place]))
    drawn = [(Group(OTHERS, others), 0), *runs, *means]
    drawn = [(group, colour) for group, colour in drawn if group.points]
    if not drawn:
        return None
    groups, numbers = zip(*drawn, strict=True)
    return scatter_plot(groups, colours=numbers, x_title=x_title, y_title=LOSS)


def _mean(row: Row, key: str, missing: float) -> float:
    measured = row.values.get(key)
    return missing if measured is None or not isfinite(measured.mean) else measured.mean


def bar(measured: Measured, size: float = 1) -> tuple[float | None, float | None]:
    """Returns the ends of the interval that is drawn, in units of `size`; None twice where none is."""
    low, high = measured.low, measured.high
    if low is None or high is None or measured.count < BARS_FROM or not isfinite(low) or not isfinite(high):
        return None, None
    return low / size, high / size


def _each_run(row: Row, key: str, loss: str, size: float) -> list[Point]:
    if len(row.jobs) < 2:
        return []
    pairs = [(job.values.get(key), job.values.get(loss), job.name) for job in row.jobs]
    return [
        Point(x / size, y, hint=name)
        for x, y, name in pairs
        if x is not None and y is not None and isfinite(x) and isfinite(y)
    ]


def curves_plot(comparison: Comparison, colours: Mapping[int, int]) -> tuple[Markup | None, int]:
    """Draws the held-out loss during training: a thin line a run, and the mean of each coloured row.

    Args:
        comparison: What was found.
        colours: Of `coloured`.

    Returns:
        The plot, None where no run has a curve; and how many runs of these rows aren't drawn.
    """
    series: list[Series] = []
    drawn = asked = 0
    for place, colour in colours.items():
        row = comparison.rows[place]
        most = max(1, CURVES_MOST // len(colours))
        found = [_held_out(job) for job in row.jobs[:most]]
        curves = [curve for curve in found if curve is not None]
        asked, drawn = asked + len(row.jobs), drawn + len(curves)
        if len(curves) > 1:
            series += [Series("", thinned(curve), faint=True, colour=colour) for curve in curves]
        mean = _mean_curve(curves)
        if mean is not None:
            series.append(Series(row.name, thinned(mean), colour=colour))
    if not series:
        return None, asked
    finite = [y for one in series for _, y in one.points if y is not None and isfinite(y) and y > 0]
    log = bool(finite) and max(finite) >= LOG_FROM * min(finite)
    title = f"{LOSS}{', logarithmic' if log else ''}"
    return line_plot(series, x_title="optimizer step", y_title=title, log=log), asked - drawn


def _held_out(job: Job) -> Column | None:
    if job.folder is None:
        return None
    curve = read_metrics(job.folder / METRICS, (metric.VAL_LOSS,))[0].get(metric.VAL_LOSS)
    return curve if curve is not None and np.isfinite(curve.values).any() else None


def _mean_curve(curves: Sequence[Column]) -> Column | None:
    """The mean at the steps that all curves have; None where there is no such step."""
    if not curves:
        return None
    by_step = [dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True)) for curve in curves]
    shared = sorted(set.intersection(*(set(one) for one in by_step)))
    if not shared:
        return None
    return Column(np.array(shared), np.array([np.mean([one[step] for one in by_step]) for step in shared]))
