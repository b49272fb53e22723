"""Student's t: intervals over seeds, paired differences, p-values of several tests. In and out: plain numbers."""

from collections.abc import Iterable, Sequence
from math import atan, cos, fsum, inf, isfinite, pi, sin, sqrt, tan
from statistics import mean, stdev

LEVEL = 0.95
"""Coverage of all intervals."""

SIGNIFICANCE = 0.05
"""A difference whose adjusted p-value is at most this counts as found."""

_HALVINGS = 60

_NO_SPREAD = 1e-9
"""Differences that vary by a smaller share of their mean are the same but for rounding."""


def t_interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """The mean of values and its interval: mean ± t · s / √n (Student, 1908, Biometrika 6:1).

    Args:
        values: Finite numbers, one a seed.

    Returns:
        Mean, low and high; None with fewer than two values, which say nothing about chance.
    """
    if len(values) < 2:
        return None
    middle, reach = mean(values), t_quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
    return middle, middle - reach, middle + reach


def paired_p(differences: Sequence[float]) -> float | None:
    """The two-sided p of the paired t test: how likely a mean at least as far from 0 is where there is no difference.

    Args:
        differences: Finite numbers, one a pair.

    Returns:
        The p-value; None with fewer than two pairs, or where all differences are the same: then the seed changes
        nothing, and nothing is known about chance. 1 where all of them are 0.
    """
    if len(differences) < 2:
        return None
    middle, spread = mean(differences), stdev(differences)
    if spread <= _NO_SPREAD * abs(middle):
        return 1.0 if middle == 0 else None
    return t_tails(middle / spread * sqrt(len(differences)), len(differences) - 1)


def t_tails(t: float, degrees: int) -> float:
    """P(|T| ≥ |t|) for Student's t with a whole number of degrees of freedom, as a finite sum.

    From Abramowitz and Stegun, 1964, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.

    >>> round(t_tails(12.706, 1), 4), round(t_tails(2.0, 10), 4)
    (0.05, 0.0734)

    Args:
        t: The statistic.
        degrees: 1 or more.
    """
    return max(0.0, 1 - _within(atan(abs(t) / sqrt(degrees)), degrees))


def t_quantile(degrees: int, level: float = LEVEL) -> float:
    """Returns the t that |T| stays below with probability `level`.

    >>> round(t_quantile(2), 4)
    4.3027

    Args:
        degrees: 1 or more.
        level: 0 to 1, exclusive.
    """
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < level else (low, middle)
    return tan(low) * sqrt(degrees)


def holm(p_values: Iterable[float]) -> list[float]:
    """Adjusts p-values for the number of tests (Holm, 1979, Scandinavian Journal of Statistics 6:65).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Args:
        p_values: Of tests that are made together.

    Returns:
        The adjusted ones, in the same order.
    """
    given = list(p_values)
    adjusted, largest = [0.0] * len(given), 0.0
    for rank, index in enumerate(sorted(range(len(given)), key=given.__getitem__)):
        largest = max(largest, min(1.0, (len(given) - rank) * given[index]))
        adjusted[index] = largest
    return adjusted


def mean_or_infinite(values: Sequence[float]) -> float:
    """Returns the mean; infinite where one of the values isn't finite."""
    return mean(values) if all(map(isfinite, values)) else inf


def _within(angle: float, degrees: int) -> float:
    """P(|T| ≤ tan(angle) · √degrees)."""
    cosine, first = cos(angle), 1 if degrees % 2 else 0
    term, terms = (cosine if first else 1.0), []
    for power in range(first, degrees - 1, 2):
        terms.append(term)
        term *= cosine**2 * (power + 1) / (power + 2)
    total = sin(angle) * fsum(terms)
    return 2 / pi * (angle + total) if first else total
