"""What a curve's numbers amount to: levels, noise, falls and rises, by statistics that a few wild steps don't move.

The loss of a step is a mean over the rows that happened to be in it: it scatters though nothing happens to the model.
So nothing here looks at single steps of a training curve: levels are medians over a window, and whatever is compared is
compared in units of the scatter. Held-out losses are measured on the same rows every time: they have no such scatter,
and where there are any they decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ftlab.evaluation.curve.curve import Curve

Numbers = NDArray[np.float64]

MOST_POINTS = 300
"""Points that a slope is taken through."""
TINY_LOSS = 1e-6
"""Below this a loss is zero."""
GAUSSIAN = 1.4826
"""What makes a median absolute deviation a standard deviation, where the scatter is a normal distribution's."""
WINDOW_SHARE, LEAST_WINDOW, MOST_WINDOW = 0.1, 3, 25
"""Levels are medians over a tenth of the run: short enough to follow a fall, long enough to average batches. Three
steps are the fewest that one wild step doesn't move; more than 25 steady no median that is steady already."""


@dataclass(frozen=True)
class Measures:
    """The finite part of a curve, and what it amounts to.

    Attributes:
        steps: Steps with a finite training loss, shape [N].
        losses: Their losses, shape [N].
        held_steps: Steps with a finite held-out loss, shape [H].
        held_out: These losses, shape [H].
    """

    steps: Numbers
    losses: Numbers
    held_steps: Numbers
    held_out: Numbers

    @classmethod
    def of(cls, curve: Curve) -> "Measures":
        """Takes the finite part of a curve."""
        pairs = [(s, loss) for s, loss in zip(curve.steps, curve.losses, strict=True) if math.isfinite(loss)]
        held = [(s, loss) for s, loss in curve.held_out if math.isfinite(loss)]
        train, points = (np.array(found, dtype=np.float64).reshape(-1, 2) for found in (pairs, held))
        return cls(train[:, 0], train[:, 1], points[:, 0], points[:, 1])

    @cached_property
    def window(self) -> int:
        """Steps over which a level is taken."""
        return max(LEAST_WINDOW, min(MOST_WINDOW, round(WINDOW_SHARE * len(self.losses))))

    @cached_property
    def level(self) -> Numbers:
        """The running median of the training loss over `window` steps around each, shape [N]."""
        return running_median(self.losses, self.window)

    @cached_property
    def start(self) -> float:
        """The training loss of the model as it came: of the first step, which no update has touched.

        A single step scatters; the held-out loss of step 0 is as good and doesn't, but its rows may be harder or easier
        ones. The larger of the two: what is called a rise over the start is one over both.
        """
        first = float(self.losses[0])
        at_zero = self.held_out[0] if len(self.held_steps) and self.held_steps[0] == 0 else first
        return max(first, float(at_zero))

    @cached_property
    def end(self) -> float:
        """The training loss at the end: the median of the last window."""
        return float(np.median(self.losses[-self.window :]))

    @cached_property
    def noise(self) -> float:
        """The scatter of one step's loss, in nats: from differences of neighbours, which a trend hardly moves."""
        return difference_noise(self.losses)

    @cached_property
    def relative_noise(self) -> float:
        """The scatter of one step's loss as a share of its level: hard batches are hard by a factor."""
        return difference_noise(np.log(np.maximum(self.losses, TINY_LOSS)))

    def scatter(self, levels: Numbers | float) -> Numbers:
        """The scatter of one step's loss at these levels, in nats, shape as given.

        Late in a long run most steps are low and scatter little: the scatter of the many isn't that of the first ones.
        """
        return np.maximum(self.noise, self.relative_noise * np.asarray(levels, dtype=np.float64))


def running_median(values: Numbers, window: int) -> Numbers:
    """Returns the median of `window` values around each, fewer at the ends, shape as given."""
    before, after = window // 2, window - window // 2
    count = len(values)
    medians = np.empty(count)
    if count >= window:
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        medians[before : before + len(windows)] = np.median(windows, axis=1)
    ends = range(count) if count < window else [*range(before), *range(count - after + 1, count)]
    for place in ends:
        medians[place] = np.median(values[max(0, place - before) : place + after])
    return medians


def difference_noise(values: Sequence[float] | Numbers) -> float:
    """Returns the standard deviation of a value around its trend, by the median absolute difference of neighbours.

    A difference holds the scatter twice, hence √2. 0 for fewer than three values.
    """
    if len(values) < 3:
        return 0.0
    differences = np.diff(np.asarray(values, dtype=np.float64))
    return GAUSSIAN * float(np.median(np.abs(differences - np.median(differences)))) / math.sqrt(2)


def slope(xs: Sequence[float] | Numbers, ys: Sequence[float] | Numbers) -> float:
    """Returns the median of the slopes between all pairs of points (Theil and Sen): a fifth of wild points is no harm.

    Args:
        xs: Ascending, each once.
        ys: As many.
    """
    x, y = (_thinned(np.asarray(values, dtype=np.float64)) for values in (xs, ys))
    first, second = np.triu_indices(len(x), k=1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first]))) if len(first) else 0.0


def _thinned(values: Numbers) -> Numbers:
    """At most `MOST_POINTS` medians of neighbours: pairs grow with the square."""
    if len(values) <= MOST_POINTS:
        return values
    return np.array([np.median(block) for block in np.array_split(values, MOST_POINTS)])


def rows_of(holds: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Returns the places of each unbroken row in which something holds, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [np.arange(first, end) for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
