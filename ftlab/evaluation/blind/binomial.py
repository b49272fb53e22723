"""Exact binomial statistics: tails, the sign test, Clopper-Pearson intervals, and what a number of items can detect.

In: counts. Out: probabilities. Everything is summed over the distribution itself, none of it is an approximation, so
that it holds for the few items that experts have time for.
"""

from bisect import bisect_left
from collections.abc import Callable
from math import exp, fsum, inf, lgamma, log

LEVEL = 0.95
"""Coverage of all intervals."""

SIGNIFICANCE = 0.05
"""A difference whose p-value is at most this counts as found."""

POWER = 0.8
"""How often a difference must be found to count as one that a test can detect."""

_HALVINGS = 60


def at_least(successes: int, trials: int, share: float) -> float:
    """Returns P(X ≥ successes) for X ~ Binomial(trials, share).

    >>> round(at_least(2, 2, 0.5), 4)
    0.25

    Args:
        successes: 0 or more.
        trials: 0 or more.
        share: Probability of a success, 0 to 1.
    """
    return min(1.0, fsum(_mass(count, trials, share) for count in range(max(successes, 0), trials + 1)))


def at_most(successes: int, trials: int, share: float) -> float:
    """Returns P(X ≤ successes) for X ~ Binomial(trials, share); arguments as in `at_least`."""
    return at_least(trials - successes, trials, 1 - share)


def sign_test(wins: int, losses: int) -> float:
    """The two-sided exact sign test: how likely a result at least as uneven is where neither is better.

    Ties are left out (Dixon and Mood, 1946, "The statistical sign test", JASA 41:557): they say nothing of the sign.

    >>> sign_test(5, 0)
    0.0625

    Args:
        wins: How often one was better.
        losses: How often the other was.

    Returns:
        The p-value; 1 where nothing was decided.
    """
    return min(1.0, 2 * at_least(max(wins, losses), wins + losses, 0.5))


def exact_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a share: it covers the true one at least as often as said.

    From Clopper and Pearson, 1934, "The use of confidence or fiducial limits", Biometrika 26:404.

    Args:
        successes: 0 to `trials`.
        trials: 0 or more.
        level: How often it shall cover.

    Returns:
        Its ends, 0 to 1; all of it where there was no trial. It excludes 1/2 exactly where `sign_test` is below
        1 - `level`.
    """
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else _root(lambda share: at_least(successes, trials, share) - tail)
    high = 1.0 if successes == trials else _root(lambda share: tail - at_most(successes, trials, share))
    return low, high


def needed_wins(items: int) -> int | None:
    """Returns how many of the decided items one must win for the sign test to find a difference.

    Args:
        items: Decided items.

    Returns:
        The least number; None where even all of them are too few.
    """

    def finds(wins: int) -> bool:
        return sign_test(wins, items - wins) <= SIGNIFICANCE

    wins = bisect_left(range(items + 1), True, lo=(items + 1) // 2, key=finds)
    return wins if wins <= items else None


def power(items: int, share: float) -> float:
    """How often the sign test finds that one is better.

    Args:
        items: Decided items.
        share: Share of them that the better one wins in truth.

    Returns:
        A probability, summed over all outcomes with a p-value of at most `SIGNIFICANCE`, on either side.
    """
    needed = needed_wins(items)
    if needed is None:
        return 0.0
    return at_least(needed, items, share) + at_most(items - needed, items, share)


def detectable_share(items: int) -> float | None:
    """The smallest true share of wins that a test finds in 80 % of the cases (`POWER`).

    >>> round(detectable_share(50), 3)
    0.704

    Args:
        items: Decided items.

    Returns:
        A share above 1/2; None where even a share of 1 would not be found.
    """
    if needed_wins(items) is None:
        return None
    return _root(lambda share: power(items, share) - POWER, low=0.5)


def _mass(count: int, trials: int, share: float) -> float:
    """The probability of exactly `count` successes, in logarithms: binomial coefficients outgrow floats."""
    logs = (
        lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1),
        count * (log(share) if share > 0 else -inf) if count else 0.0,
        (trials - count) * (log(1 - share) if share < 1 else -inf) if count < trials else 0.0,
    )
    return exp(fsum(logs)) if -inf not in logs else 0.0


def _root(rising: Callable[[float], float], low: float = 0.0) -> float:
    """Where a function that rises from `low` to 1 crosses 0."""
    high = 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) >= 0 else (middle, high)
    return (low + high) / 2
