"""Signs that a run is worth nothing as it is: not finite, diverging, flat."""

import math

import numpy as np
from numpy.typing import NDArray

from ftlab.evaluation.curve.measure import TINY_LOSS, Measures, rows_of
from ftlab.evaluation.curve.sign import Case, Sign

MOST_SKIPPED = 2
"""Steps without a finite loss that may come from rows; more come from the run (ftlab ends it at the fourth)."""
RISE_SHARE = 0.1
"""A level must stand a tenth over the start to be called a rise. Batches differ: in the recorded healthy runs the level
of a window is at most a few percent above it; a rate that is too high lifts it by half or more within a few steps."""
BURST_BEGIN, BURST_STEPS, BURST_SHARE, BURST_PEAK = 10, 3, 0.2, 0.4
"""Or three steps in a row over the start, by a fifth in their mean or by two fifths at their top: a run that left in
its first ten steps and came back, as at rates far too high. One such batch is an unequal one; three are the model.
Later ones are left to the level: in thousands of steps some three follow each other by chance."""
LOST_SHARE = 0.5
"""A loss that has given back half of what it had gained is diverging, whatever is left."""
NOISE_TIMES = 4.0
"""Levels must differ by so many standard errors: with some dozens of looks at a run, once in some thousand runs."""
FLAT_SHARE = 0.03
"""A loss that has fallen by less than 3 % has learned nothing: runs at a thousandth of their rate come to 1.4 %, the
slowest healthy one to 17 %."""
PLATEAU_SHARE, PLATEAU_LEVEL, PLATEAU_BEGIN = 0.03, 0.35, 0.25
"""Less than 3 % of the start gained in the last three quarters, and more than a third of the start left: the run
learned the form of the answers in the first quarter, and nothing since (with shuffled answers at most 1.5 %; healthy
runs that end so high gain at least 12 %)."""
PLATEAU_TRAIN = 0.5
"""Training loss below half of the held-out loss is no plateau: that run goes on learning, though nothing general."""
FLAT_PROGRESS, FLAT_STEPS = 0.3, 15
"""Before a third of the run, warm-up included, a flat curve says nothing."""
MOST_ERROR = 0.2
"""Without held-out rows a fall within the scatter is none, unless the scatter would hide a fall by a fifth."""
ZERO_STEPS = 5
"""Steps in a row without any gradient that prove that nothing can be learned."""


def non_finite(case: Case) -> Sign | None:
    """Steps whose loss or gradient is no number."""
    curve = case.curve
    bad = [step for step, loss in zip(curve.steps, curve.losses, strict=True) if not math.isfinite(loss)]
    held = [step for step, loss in curve.held_out if not math.isfinite(loss)]
    count = max(len(bad), curve.skipped)
    if not count and not held:
        return None
    steps = bad or held or [case.last_step]
    marks = set()
    if curve.tokens and bad:
        places = [place for place, loss in enumerate(curve.losses) if not math.isfinite(loss)]
        if all(curve.tokens[place] == 0 for place in places):
            marks.add("no-tokens")
    before = case.measures.losses[case.measures.steps < steps[0]]
    if len(before) > 3 and float(before[-1]) > (1 + LOST_SHARE) * float(np.min(before)):
        marks.add("after-rise")
    ends_so = case.is_whole and bool(bad) and bad[-1] == case.last_step
    fatal = count > MOST_SKIPPED or bool(held) or ends_so
    what = f"{count:,} of {len(curve.steps):,} steps" if count else f"{len(held):,} held-out evaluations"
    listed = ", ".join(map(str, steps[:5])) + (", …" if len(steps) > 5 else "")
    why = " None of them had a supervised token." if "no-tokens" in marks else ""
    return Sign(
        "non-finite",
        "fatal" if fatal else "warning",
        "Loss or gradient is not a number",
        f"{what} had no finite loss or gradient (steps {listed}).{why}",
        (steps[0], steps[-1]),
        frozenset(marks),
    )


def diverging(case: Case) -> Sign | None:
    """A training loss that has left the start upwards, or given back most of what it had gained."""
    m = case.measures
    if len(m.losses) < 2 * m.window:
        return None
    error = NOISE_TIMES * float(m.scatter(m.start)) * math.sqrt(1 + 1 / m.window)  # the start is a single step
    level, start, end = m.level, m.start, m.end
    best_place = int(np.argmin(level))
    best = min(float(level[best_place]), start)
    above = np.flatnonzero(level > (1 + RISE_SHARE) * start + error)
    if len(above) < m.window:
        above = _burst(m)
    highest = int(np.argmax(level))
    if len(above) >= BURST_STEPS:
        first, last = int(m.steps[above[0]]), int(m.steps[above[-1]])
        stays, now = end > start, "ends at" if case.is_whole else "is now at"
        after = f"it {now} {end:.3g}" if stays else f"it came back to {end:.3g}"
        return Sign(
            "diverging",
            "fatal" if stays else "warning",
            "The loss left its start upwards",
            f"From {start:.3g} it rose to {level[highest]:.3g} around step {int(m.steps[highest])}; {after}.",
            (first, last),
            frozenset({"early"} if first <= 0.2 * case.last_step else ()),
        )
    lost = end - best
    if (
        best_place < len(level) - m.window
        and lost > max(error, LOST_SHARE * (start - best))
        and lost > RISE_SHARE * start
    ):
        return Sign(
            "diverging",
            "fatal",
            "The loss rises again",
            f"It had fallen from {start:.3g} to {best:.3g} at step {int(m.steps[best_place])}, and is at {end:.3g}.",
            (int(m.steps[best_place]), case.last_step),
        )
    return None


def _burst(m: Measures) -> NDArray[np.int64]:
    """The places of the first steps in a row that stand over the start by more than batches explain; or none."""
    scatter = m.relative_noise * m.start  # of steps at this height; the start is one of them
    for row in rows_of(m.losses > m.start):
        if row[0] >= BURST_BEGIN:
            break
        mean, top = float(m.losses[row].mean()) - m.start, float(m.losses[row].max()) - m.start
        is_over = mean > BURST_SHARE * m.start + NOISE_TIMES * scatter * math.sqrt(1 + 1 / len(row))
        if len(row) >= BURST_STEPS and (is_over or top > BURST_PEAK * m.start + NOISE_TIMES * scatter):
            return row
    return np.arange(0)


def flat(case: Case) -> Sign | None:
    """A loss that doesn't fall: no gradient, nothing learned from the start, or nothing since the first steps."""
    zero = _zero_gradient(case)
    if zero is not None:
        return zero
    m = case.measures
    if len(m.losses) < FLAT_STEPS or case.progress < FLAT_PROGRESS:
        return None
    return _never_fell(case) or _plateau(case)


def _zero_gradient(case: Case) -> Sign | None:
    norms = np.asarray(case.curve.grad_norms, dtype=np.float64)
    finite = norms[np.isfinite(norms) & np.isfinite(np.asarray(case.curve.losses, dtype=np.float64))[: len(norms)]]
    if len(finite) < ZERO_STEPS or np.any(finite[-ZERO_STEPS:] != 0) or case.measures.end > 1.5 * case.measures.start:
        return None
    zeros = int((finite == 0).sum())
    return Sign(
        "flat",
        "fatal",
        "Nothing is trained: the gradient is zero",
        f"The gradient norm is 0 in {zeros:,} of {len(finite):,} steps; the loss stays at {case.measures.end:.3g}.",
        (case.curve.steps[0], case.last_step),
        frozenset({"zero-gradient"}),
    )


def _never_fell(case: Case) -> Sign | None:
    m = case.measures
    if len(m.held_out) >= 2:
        fall, error = float(m.held_out[0] - m.held_out.min()) / max(float(m.held_out[0]), TINY_LOSS), 0.0
        words = f"held-out loss {m.held_out[0]:.4g} at step {int(m.held_steps[0])}, {m.held_out[-1]:.4g} at step"
        words += f" {int(m.held_steps[-1])}"
    else:
        quarter = max(m.window, len(m.losses) // 4)
        first, last = float(m.losses[:quarter].mean()), float(m.losses[-quarter:].mean())
        begun = max(first, TINY_LOSS)  # a loss of 0 from the first step is flat: nothing is counted
        fall, error = (first - last) / begun, NOISE_TIMES * m.noise * math.sqrt(2 / quarter) / begun
        words = f"mean training loss {first:.4g} over the first {quarter} steps, {last:.4g} over the last"
    if fall > max(FLAT_SHARE, error / 2) or error > MOST_ERROR:
        return None
    return Sign(
        "flat",
        "fatal" if case.is_whole else "warning",
        "The loss does not fall",
        f"It fell by {max(fall, 0):.1%} in {case.last_step:,} steps: {words}.",
        (case.curve.steps[0], case.last_step),
        frozenset({"from-start"}),
    )


def _plateau(case: Case) -> Sign | None:
    m = case.measures
    if len(m.held_out) < 5 or case.progress < 0.6:
        return None
    start = max(float(m.held_out[0]), TINY_LOSS)
    early = m.held_out[m.held_steps <= PLATEAU_BEGIN * case.last_step]
    later = m.held_out[m.held_steps > PLATEAU_BEGIN * case.last_step]
    if len(early) < 2 or len(later) < 3:
        return None
    gained = float(early.min() - later.min()) / start
    left = float(later.min()) / start
    if gained > PLATEAU_SHARE or left < PLATEAU_LEVEL or m.end < PLATEAU_TRAIN * float(later[-1]):
        return None
    since = int(m.held_steps[len(early) - 1])
    return Sign(
        "flat",
        "warning",
        "The loss has not fallen since the first steps",
        f"Held-out loss fell from {start:.3g} to {early.min():.3g} by step {since}, and by {max(gained, 0):.1%} of the"
        f" start in the {case.last_step - since:,} steps since.",
        (since, case.last_step),
        frozenset({"plateau"}),
    )
