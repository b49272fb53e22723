"""Student's t agrees with its density, with printed tables and with a test that assumes nothing."""

from itertools import product
from math import gamma, inf, pi, sqrt
from statistics import mean

import pytest

from ftlab.report.sweep.significance import holm, mean_or_infinite, paired_p, t_interval, t_quantile, t_tails

TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 9: 2.2622, 10: 2.2281, 29: 2.0452, 120: 1.9799}
"""Two-sided 5 % points as statistics books print them."""


def integrated_tails(t: float, degrees: int, parts: int = 20_000) -> float:
    """1 - the density's integral from -t to t, by Simpson's rule."""
    scale: float = gamma((degrees + 1) / 2) / (sqrt(degrees * pi) * gamma(degrees / 2))

    def density(x: float) -> float:
        return float(scale * (1 + x * x / degrees) ** (-(degrees + 1) / 2))

    step = t / parts
    inner = sum((4 if place % 2 else 2) * density(place * step) for place in range(1, parts))
    return 1 - 2 * step / 3 * (density(0) + inner + density(t))


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 25])
@pytest.mark.parametrize("t", [0.3, 1.0, 2.5, 6.0])
def test_tails_are_the_integral_of_the_density(t: float, degrees: int) -> None:
    assert t_tails(t, degrees) == pytest.approx(integrated_tails(t, degrees), abs=1e-9)
    assert t_tails(-t, degrees) == t_tails(t, degrees)


@pytest.mark.parametrize(("degrees", "expected"), TABLE.items())
def test_quantiles_are_those_of_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(degrees) == pytest.approx(expected, abs=5e-5)
    assert t_tails(t_quantile(degrees), degrees) == pytest.approx(0.05, abs=1e-12)


def test_interval_of_three_seeds_is_the_mean_and_its_reach() -> None:
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.302653 / sqrt(3), 2 + 4.302653 / sqrt(3)))
    assert t_interval([1.0]) is None
    assert t_interval([]) is None


def test_paired_p_is_near_that_of_all_changes_of_sign() -> None:
    differences = [0.03, 0.01, 0.05, -0.01, 0.02, 0.04, 0.015, 0.002, -0.004, 0.03]
    means = [abs(mean(s * d for s, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=10)]
    exact = sum(one >= abs(mean(differences)) - 1e-12 for one in means) / len(means)
    assert paired_p(differences) == pytest.approx(exact, abs=0.01)


def test_paired_p_says_nothing_of_one_pair_or_of_seeds_that_change_nothing() -> None:
    assert paired_p([0.1]) is None
    assert paired_p([0.0, 0.0]) == 1.0
    assert paired_p([0.5, 0.5]) is None
    assert paired_p([0.7 - 0.4, 0.8 - 0.5]) is None  # the same but for rounding


def test_holm_adjusts_as_in_his_paper() -> None:
    assert holm([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_mean_is_infinite_where_a_value_is_not_finite() -> None:
    assert mean_or_infinite([1.0, 3.0]) == 2.0
    assert mean_or_infinite([1.0, float("nan")]) == inf
