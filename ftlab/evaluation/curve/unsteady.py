"""Signs of a rate or of rows that don't let a run come to rest: oscillating, spiking."""

import math

import numpy as np

from ftlab.evaluation.curve.measure import GAUSSIAN, Numbers, running_median
from ftlab.evaluation.curve.sign import Case, Sign

SPIKE_NOISE = 12.0
"""A spike stands so many standard deviations over its neighbours: among four rows a single hard one makes 8, a batch of
garbage made 90 and more."""
SPIKE_SHARE = 0.5
"""And by half of the loss at the start: late in a run the scatter is small, and a hard row is no spike."""
SWING_NOISE = 8.0
"""Swings of the training level must be as many standard errors."""
SPIKE_SPAN = 11
"""Steps whose median a step is compared with; a spike may take up to four of them."""
MOST_SPAN = 101
"""Steps around each that its scatter is taken from, at most: more would be slow in long runs, and no steadier."""
MOST_SPIKES_SHARE = 0.1
"""More than every tenth step is no spike any more."""


def spiking(case: Case) -> Sign | None:
    """Single steps far above their neighbours."""
    m = case.measures
    if len(m.losses) < SPIKE_SPAN:
        return None
    base = running_median(m.losses, SPIKE_SPAN)
    over = m.losses - base
    scatter = np.maximum(_local_scatter(m.losses - base), 1e-6)
    places = np.flatnonzero((over > SPIKE_NOISE * scatter) & (over > SPIKE_SHARE * m.start))
    places = places[places > 2]
    if not len(places) or len(places) > max(1, MOST_SPIKES_SHARE * len(m.losses)):
        return None
    worst = int(places[np.argmax(over[places])])
    steps = [int(m.steps[place]) for place in places]
    listed = "; so do steps " + ", ".join(map(str, steps[:6])) + (", …" if len(steps) > 6 else "")
    return Sign(
        "spiking",
        "warning",
        "Single steps jump far above the others",
        f"Step {int(m.steps[worst])} has a loss of {m.losses[worst]:.3g} where its neighbours have {base[worst]:.3g}"
        f" ({over[worst] / scatter[worst]:.0f} times their scatter){listed if len(steps) > 1 else ''}.",
        (steps[0], steps[-1]),
        frozenset({"unclipped"} if case.settings.lr is not None and not case.settings.max_grad_norm else ()),
    )


def _local_scatter(residuals: Numbers) -> Numbers:
    """The robust standard deviation of the residuals in a wide window around each."""
    span = min(max(2 * SPIKE_SPAN, len(residuals) // 3), MOST_SPAN)
    return GAUSSIAN * running_median(np.abs(residuals), span)


SWING_SHARE = 0.1
"""A swing of held-out loss counts from a tenth of its start on. It is measured on the same rows each time: a healthy
run moves it up by more than a few percent only once, when it begins to over-fit."""
LEAST_RISES = 2
"""One rise may be anything; falling, rising, falling and rising again is a rate that the run can't settle under."""


def oscillating(case: Case) -> Sign | None:
    """A loss that goes up and down again and again, by more than its batches explain."""
    m = case.measures
    held = m.held_out if len(m.held_out) >= 5 else m.held_out[:0]
    level = m.level if len(m.losses) >= 4 * m.window else m.level[:0]
    error = SWING_NOISE * m.scatter(level) * math.sqrt(2 / m.window)
    for levels, steps, least, name in (
        (held, m.held_steps, SWING_SHARE * np.broadcast_to(held[:1], held.shape), "Held-out"),
        (level, m.steps, np.maximum(SWING_SHARE * m.start, error), "Training"),
    ):
        rises = _rises(levels, least)
        if len(rises) >= LEAST_RISES:
            told = ", ".join(
                f"{levels[low]:.3g} to {levels[high]:.3g} (steps {int(steps[low])} to {int(steps[high])})"
                for low, high in rises[:3]
            )
            return Sign(
                "oscillating",
                "warning",
                "The loss goes up and down",
                f"{name} loss rose {len(rises)} times: {told}.",
                (int(steps[rises[0][0]]), int(steps[rises[-1][1]])),
            )
    return None


def _rises(values: Numbers, least: Numbers) -> list[tuple[int, int]]:
    """The places of each low and the high that follows it, where between them lies at least what `least` has there.

    A rise ends when the values have fallen from its top by as much, too, or at the end.
    """
    found: list[tuple[int, int]] = []
    low = high = 0
    for place, value in enumerate(values):
        if value - values[low] >= least[low] and value > values[high]:
            high = place
        if high <= low and value < values[low]:
            low = high = place
        elif high > low and values[high] - value >= least[high]:
            found.append((low, high))
            low = high = place
    return [*found, (low, high)] if high > low else found
