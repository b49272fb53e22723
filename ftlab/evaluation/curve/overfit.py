"""Signs of how a run ends: over-fitting, memorising, still falling."""

import math

import numpy as np

from ftlab.evaluation.curve.measure import TINY_LOSS, Measures, slope
from ftlab.evaluation.curve.sign import Case, Sign

LEAST_HELD = 4
"""Fewer held-out losses show no course."""
RISE_SHARE = 0.05
"""Held-out loss that stands 5 % over its lowest value is rising: up to there healthy runs of three passes wander."""
GAIN_SHARE = 0.03
"""And by 3 % of what it had at the start: near zero, 5 % are nothing."""
PART_RATIO, PART_LEVEL = 0.45, 0.06
"""Or training loss has left it behind, and is below 45 % of it (25 to 37 % with shuffled answers, 56 % and more in
healthy runs), unless all is learned: held-out loss below 6 % of its start is as good as zero."""
PART_FALLING = 0.05
"""And unless held-out loss still falls, by 5 % in the last fifth: then the run goes on learning."""
TOGETHER = 2 / 3
"""Up to two thirds of the held-out loss the two go together: rows differ."""
MEMORY_RATIO, MEMORY_LEVEL = 0.1, 0.1
"""Training loss below a tenth of the held-out loss is rows known by heart; where held-out loss is itself below a tenth
of its start, both are learned and the ratio says nothing."""
BY_HEART_LOSS, BY_HEART_SHARE = 0.02, 0.01
"""Without held-out rows: a mean probability of 98 % a token, which no text has that isn't known."""
LATE, FALLING_SHARE = 0.8, 0.03
"""Held-out loss that fell by 3 % in the last fifth of a run will fall further."""


def over_fitting(case: Case) -> Sign | None:
    """Training and held-out loss that part: one falls on, the other one rises or stands."""
    return _rising(case) or _parted(case) if len(case.measures.held_out) >= LEAST_HELD else None


def _rising(case: Case) -> Sign | None:
    m = case.measures
    lowest = int(np.argmin(m.held_out))
    best = float(m.held_out[lowest])
    last = float(min(m.held_out[-2:]))
    if lowest >= len(m.held_out) - 2 or last - best <= max(RISE_SHARE * best, GAIN_SHARE * float(m.held_out[0])):
        return None
    step = int(m.held_steps[lowest])
    then = _level_at(m, step)
    if m.end > (1 - RISE_SHARE) * then:
        return None
    return Sign(
        "over-fitting",
        "warning",
        "Held-out loss rises while training loss falls",
        f"Held-out loss was lowest at step {step} ({best:.3g}) and is {m.held_out[-1]:.3g} at step"
        f" {int(m.held_steps[-1])}; training loss fell from {then:.3g} to {m.end:.3g}{_passes(case, step)}.",
        (step, case.last_step),
    )


def _parted(case: Case) -> Sign | None:
    m = case.measures
    start, end = max(float(m.held_out[0]), TINY_LOSS), float(m.held_out[-1])
    easier = min(1.0, float(m.losses[0]) / start)  # rows may be easier than the held-out ones from the start
    levels = [_level_at(m, int(step)) for step in m.held_steps]
    is_apart = levels[-1] < PART_RATIO * easier * end and end > PART_LEVEL * start
    before = _held_before(case)
    if not is_apart or before - end > PART_FALLING * before:
        return None
    near = [place for place, held in enumerate(m.held_out) if levels[place] >= TOGETHER * easier * held]
    place = near[-1] if near else 0
    step = int(m.held_steps[place])
    return Sign(
        "over-fitting",
        "warning",
        "Training and held-out loss part",
        f"Since step {step} training loss fell from {levels[place]:.3g} to {levels[-1]:.3g}, held-out loss from"
        f" {m.held_out[place]:.3g} to {end:.3g}{_passes(case, step)}.",
        (step, case.last_step),
        frozenset({"parted"}),
    )


def memorising(case: Case) -> Sign | None:
    """Training rows known by heart, held-out ones not."""
    m = case.measures
    if len(m.losses) < 2 * m.window:
        return None
    if len(m.held_out) >= 2:
        held, start = float(m.held_out[-1]), float(m.held_out[0])
        if _level_at(m, int(m.held_steps[-1])) > MEMORY_RATIO * held or held <= MEMORY_LEVEL * start:
            return None
        against = f"held-out loss is {held:.3g}, {held / max(m.end, TINY_LOSS):,.0f} times as much"
    else:
        if m.end > BY_HEART_LOSS or m.end >= BY_HEART_SHARE * m.start:
            return None
        against = "there are no held-out rows to compare with"
    known = np.flatnonzero(m.level <= max(2 * m.end, BY_HEART_LOSS))
    first = int(m.steps[known[0]]) if len(known) else case.last_step
    return Sign(
        "memorising",
        "warning" if len(m.held_out) >= 2 else "note",
        "The training rows are learned by heart",
        f"Training loss is {m.end:.2g} at the end, {against}{_passes(case, None)}.",
        (first, case.last_step),
    )


def still_falling(case: Case) -> Sign | None:
    """A loss that was still falling when the run ended."""
    m = case.measures
    if not case.is_whole:
        return None
    since = LATE * case.last_step
    if len(m.held_out) >= LEAST_HELD:
        before, last = _held_before(case), float(m.held_out[-1])
        if last > m.held_out.min() or before - last < FALLING_SHARE * before:
            return None
        words = f"held-out loss fell from {before:.3g} to {last:.3g}"
    else:
        part = m.steps >= since
        steps, losses = m.steps[part], m.losses[part]
        if len(steps) < 10:
            return None
        fall = -slope(steps, losses) * float(steps[-1] - steps[0])
        error = 3 * m.noise * math.sqrt(12 / len(steps))
        if fall < max(error, FALLING_SHARE * float(np.median(losses))):
            return None
        words = f"training loss fell by {fall:.2g} to {m.end:.3g}"
    return Sign(
        "still-falling",
        "note",
        "The loss was still falling at the end",
        f"In the last fifth of the run, from step {math.ceil(since)}, {words}.",
        (math.ceil(since), case.last_step),
    )


def _level_at(m: Measures, step: int) -> float:
    """The level of the training loss at the step, or the next one that is known."""
    return float(m.level[min(int(np.searchsorted(m.steps, step, side="left")), len(m.level) - 1)])


def _held_before(case: Case) -> float:
    """Held-out loss before the last fifth of the run; the first one where all are later."""
    m = case.measures
    place = int(np.searchsorted(m.held_steps, LATE * case.last_step, side="left")) - 1
    return float(m.held_out[max(place, 0)])


def _passes(case: Case, step: int | None) -> str:
    """How often the rows had been seen, where that is known: at the end, or at a step and at the end."""
    epochs = case.curve.epochs
    if not epochs or not math.isfinite(epochs[-1]):
        return ""
    if step is None:
        return f", after {epochs[-1]:.3g} passes over the rows"
    place = max(0, int(np.searchsorted(case.curve.steps, step, side="right")) - 1)
    return f" (passes over the rows: {epochs[place]:.3g} then, {epochs[-1]:.3g} at the end)"
