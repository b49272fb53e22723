"""How the learning rate moves: pure functions from the step to a factor of the rate.

`factor(s)` is what multiplies the rate of the update number s, counted from 0. There is no state: a resumed run asks
for its own step and gets what the unbroken one got. Nothing here knows an optimizer.
"""

import math
from collections.abc import Callable

from ftlab.problem import InputError, Problem

Schedule = Callable[[int], float]
"""From the update's number, counted from 0, to the factor of the learning rate."""

NAMES = ("cosine", "linear", "constant", "constant-with-warmup", "wsd")


def build_schedule(
    name: str, *, total_steps: int, warmup: float = 0.0, min_lr_ratio: float = 0.0, decay: float = 0.2
) -> Schedule:
    """Chooses a schedule and binds its numbers.

    With w warm-up steps the factor climbs (s + 1) / w, so that already the first update counts and update w − 1 is
    the first at the full rate. After that, with progress p = (s − w) / (total − w) and m = `min_lr_ratio`:
    `cosine` m + (1 − m) (1 + cos πp) / 2; `linear` m + (1 − m) (1 − p); `constant` (which has no warm-up) and
    `constant-with-warmup` 1; `wsd` (warm-up, stable, decay; arXiv:2404.06395) 1 until the last d steps, then
    linear from 1 down to m.

    Args:
        name: One of `NAMES`.
        total_steps: Updates of the whole run.
        warmup: Warm-up: below 1 a fraction of the run, from 1 on a number of steps.
        min_lr_ratio: The factor at the run's end.
        decay: `wsd`: the last part of the run; below 1 a fraction, from 1 on a number of steps.

    Returns:
        The schedule.

    Raises:
        InputError: An unknown name, or a number out of range.
    """
    problems = list(_problems(name, total_steps, warmup, min_lr_ratio, decay))
    if problems:
        raise InputError(problems)
    warmup_steps = 0 if name == "constant" else steps_of(warmup, total_steps)
    falling_from = total_steps - steps_of(decay, total_steps) if name == "wsd" else warmup_steps
    shape = _SHAPES[name]

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = (step - falling_from) / max(1, total_steps - falling_from)
        return min_lr_ratio + (1 - min_lr_ratio) * shape(min(max(progress, 0.0), 1.0))

    return factor


def steps_of(amount: float, total_steps: int) -> int:
    """Turns a fraction of the run (below 1) or a number of steps (from 1 on) into steps.

    >>> steps_of(0.03, total_steps=500), steps_of(20, total_steps=500)
    (15, 20)
    """
    return round(amount * total_steps) if amount < 1 else round(amount)


_SHAPES: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "constant": lambda progress: 1.0,
    "constant-with-warmup": lambda progress: 1.0,
    "wsd": lambda progress: 1 - progress,
}
"""From progress (0 … 1) to what is left of the rate (1 … 0)."""


def _problems(name: str, total_steps: int, warmup: float, min_lr_ratio: float, decay: float) -> list[Problem]:
    found = []
    if name not in NAMES:
        found.append(Problem("scheduler.name", f"must be one of {', '.join(NAMES)}, but is {name!r}."))
    if total_steps < 1:
        found.append(Problem("training.max_steps", f"must be at least 1, but is {total_steps}."))
    for key, value in (("warmup", warmup), ("decay", decay)):
        if value < 0:
            found.append(Problem(f"scheduler.{key}", f"must not be negative, but is {value}."))
    if not 0 <= min_lr_ratio <= 1:
        found.append(Problem("scheduler.min_lr_ratio", f"must be between 0 and 1, but is {min_lr_ratio}."))
    return found
