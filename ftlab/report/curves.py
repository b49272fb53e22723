"""The curves of a run: loss, learning rate, gradient norm, pace. In: columns of metrics. Out: plots and what to say.

Of long runs a line keeps, of each of some hundred stretches of equal width, the least and the largest value at their
places: no spike is lost, and the size of the page is bounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ftlab import metric
from ftlab.report.folder import Column
from ftlab.report.plot import Event, Series, line_plot

STRETCHES = 300
"""A line with more than twice as many points is thinned to two points in each of them."""

SMOOTH_FROM = 20
"""From this many steps on, a mean runs beside the values."""

MOST_EVENTS = 60
"""Signs of a kind on a plot; more would cover it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with its words.

    Attributes:
        title: What it shows.
        plot: With a linear axis.
        log: The same with a logarithmic one; None where that shows nothing more.
        log_first: Whether that one shows more.
        words: What must be known to read it.
    """

    title: str
    plot: Markup
    log: Markup | None = None
    log_first: bool = False
    words: str = ""


def curves(metrics: Mapping[str, Column], band: tuple[float, float] | None = None) -> list[Figure]:
    """Draws the curves that have values.

    Args:
        metrics: Columns by key.
        band: The steps to which the curve's verdict points.

    Returns:
        The figures: losses, learning rate, gradient norm, tokens a second.
    """
    happened = events(metrics)
    found = [
        _figure(
            "Loss",
            _with_mean("training, each step", metrics.get(metric.TRAIN_LOSS))
            + _series("held-out", metrics.get(metric.VAL_LOSS), dots=True),
            "loss, nats a supervised token",
            log=True,
            happened=happened,
            band=band,
        ),
        _figure("Learning rate", _series("learning rate", metrics.get(metric.LEARNING_RATE)), "learning rate"),
        _figure(
            "Gradient norm",
            _with_mean("before clipping, each step", metrics.get(metric.GRAD_NORM)),
            "Euclidean norm of all gradients",
            log=True,
            happened=happened,
        ),
        _figure(
            "Pace",
            _series("all tokens", metrics.get(metric.TOKENS_PER_S))
            + _series("supervised tokens", metrics.get(metric.SUPERVISED_TOKENS_PER_S)),
            "tokens a second, without padding",
        ),
    ]
    return [figure for figure in found if figure is not None]


def events(metrics: Mapping[str, Column]) -> list[Event]:
    """Returns what happened on the way, by the counts that grow in the metrics.

    Args:
        metrics: Columns by key.

    Returns:
        Steps run again after running out of memory, steps skipped, restarts, losses that are no number; each only
        where it happened.
    """
    loss = metrics.get(metric.TRAIN_LOSS)
    places = {
        "out of memory": _growths(metrics.get(metric.OOM_RETRIES)),
        "skipped": _growths(metrics.get(metric.SKIPPED_STEPS)),
        "resumed": _growths(metrics.get(metric.ATTEMPT))[1:],
        "not finite": [] if loss is None else loss.steps[~np.isfinite(loss.values)].tolist(),
    }
    return [Event(name, found) for name, found in places.items() if found]


def thinned(column: Column) -> list[tuple[float, float | None]]:
    """Returns a column's points for a line.

    Args:
        column: Any number of values.

    Returns:
        All points where they are few; else the least and the largest of each stretch in the order of their steps. A
        point without a value stands where values are not finite.
    """
    if len(column) <= 2 * STRETCHES:
        return [(step, value) for step, value in zip(column.steps.tolist(), column.values.tolist(), strict=True)]
    edges = np.searchsorted(column.steps, np.linspace(column.steps[0], column.steps[-1], STRETCHES + 1)[1:-1])
    points: list[tuple[float, float | None]] = []
    for steps, values in zip(np.split(column.steps, edges), np.split(column.values, edges), strict=True):
        finite = np.isfinite(values)
        if finite.any():
            ends = sorted(
                {int(np.where(finite, values, np.inf).argmin()), int(np.where(finite, values, -np.inf).argmax())}
            )
            points += [(float(steps[place]), float(values[place])) for place in ends]
        elif len(steps):
            points.append((float(steps[0]), None))
    return points


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Returns, for each value, the mean of the finite ones among it and the `width` - 1 before it; shape [N]."""
    finite = np.isfinite(values)
    sums = np.cumsum(np.where(finite, values, 0.0))
    counts = np.cumsum(finite)
    sums[width:] -= sums[:-width].copy()
    counts[width:] -= counts[:-width].copy()
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _growths(column: Column | None) -> list[float]:
    """Steps at which a count is larger than before."""
    if column is None:
        return []
    grown: list[float] = column.steps[np.diff(column.values, prepend=0) > 0].tolist()
    return grown


def _series(name: str, column: Column | None, *, dots: bool = False) -> list[tuple[Series, int]]:
    """A line, and how many values it stands for."""
    if column is None or not np.isfinite(column.values).any():
        return []
    return [(Series(name, thinned(column), dots=dots and len(column) <= 60), len(column))]


def _with_mean(name: str, column: Column | None) -> list[tuple[Series, int]]:
    """The values; where they are many, their running mean with the values as its faint ground."""
    lines = _series(name, column)
    if not lines or column is None or len(column) < SMOOTH_FROM:
        return lines
    width = max(5, len(column) // 25)
    mean = Column(column.steps, running_mean(column.values, width))
    ground, count = lines[0]
    return [*_series(f"mean of {width:,} steps", mean), (Series(ground.name, ground.points, faint=True), count)]


def _figure(
    title: str,
    lines: Sequence[tuple[Series, int]],
    y_title: str,
    *,
    log: bool = False,
    happened: Sequence[Event] = (),
    band: tuple[float, float] | None = None,
) -> Figure | None:
    if not lines:
        return None
    series = [line for line, _ in lines]
    longest = max(count for _, count in lines)
    values = [value for line in series for _, value in line.points if value is not None and np.isfinite(value)]
    shown = [Event(_named(event), event.places[:: -(-len(event.places) // MOST_EVENTS)]) for event in happened]

    def draw(logarithmic: bool) -> Markup:
        title = f"{y_title}{', logarithmic' if logarithmic else ''}"
        return line_plot(series, x_title="optimizer step", y_title=title, log=logarithmic, events=shown, band=band)

    words: list[str] = []
    if longest > 2 * STRETCHES:
        words.append(
            f"Thinned: of {longest:,} values the least and the largest of each of {STRETCHES} stretches are drawn."
        )
    words += [
        f"{event.name}: {len(event.places):,} times, every {-(-len(event.places) // MOST_EVENTS)}th is marked."
        for event in happened
        if len(event.places) > MOST_EVENTS
    ]
    if band is not None:
        words.append(f"Shaded: steps {band[0]:,.0f} to {band[1]:,.0f}, to which the verdict points.")
    has_log = log and min(values) > 0
    return Figure(
        title,
        draw(False),
        draw(True) if has_log else None,
        log_first=has_log and max(values) > 20 * min(values),
        words=" ".join(words),
    )


def _named(event: Event) -> str:
    return f"{event.name} ({len(event.places):,})"
