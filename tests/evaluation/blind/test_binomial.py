"""Exact statistics against closed forms, sums over all outcomes, and published values."""

from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.binomial import (
    at_least,
    at_most,
    detectable_share,
    exact_interval,
    needed_wins,
    power,
    sign_test,
)


@given(trials=st.integers(0, 60), share=st.floats(0, 1), data=st.data())
def test_tail_is_the_sum_of_its_terms(trials: int, share: float, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    terms = [comb(trials, count) * share**count * (1 - share) ** (trials - count) for count in range(trials + 1)]
    assert at_least(successes, trials, share) == pytest.approx(sum(terms[successes:]), abs=1e-12)
    assert at_most(successes, trials, share) == pytest.approx(sum(terms[: successes + 1]), abs=1e-12)


def test_tail_of_many_trials_does_not_overflow() -> None:
    assert at_least(2500, 5000, 0.5) == pytest.approx((2**5000 + comb(5000, 2500)) / 2**5001, rel=1e-9)


def test_sign_test_of_none_lost_is_a_power_of_one_half() -> None:
    assert sign_test(6, 0) == pytest.approx(2 * 0.5**6)
    assert sign_test(0, 0) == sign_test(7, 7) == 1


@given(wins=st.integers(0, 40), losses=st.integers(0, 40))
def test_sign_test_counts_every_outcome_as_uneven(wins: int, losses: int) -> None:
    trials = wins + losses
    uneven = sum(comb(trials, count) for count in range(trials + 1) if abs(2 * count - trials) >= abs(wins - losses))
    assert sign_test(wins, losses) == pytest.approx(uneven / 2**trials)


def test_interval_of_nothing_found_has_its_closed_form() -> None:
    low, high = exact_interval(0, 20)
    assert (low, high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert exact_interval(20, 20) == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_interval_is_the_published_one() -> None:
    # Newcombe, 1998, "Two-sided confidence intervals for the single proportion", table I.
    assert exact_interval(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert exact_interval(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert exact_interval(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)


@given(wins=st.integers(0, 60), losses=st.integers(0, 60))
def test_interval_leaves_out_one_half_exactly_where_the_sign_test_finds_a_difference(wins: int, losses: int) -> None:
    low, high = exact_interval(wins, wins + losses)
    assert (not low <= 0.5 <= high) == (sign_test(wins, losses) < 0.05)


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.93])
def test_interval_covers_at_least_as_often_as_said(share: float) -> None:
    trials = 30
    covered = 0.0
    for count in range(trials + 1):
        low, high = exact_interval(count, trials)
        covered += comb(trials, count) * share**count * (1 - share) ** (trials - count) * (low <= share <= high)
    assert covered >= 0.95


def test_power_is_summed_over_all_orders_of_wins_and_losses() -> None:
    share, items = 0.8, 10
    found = sum(
        share ** sum(order) * (1 - share) ** (items - sum(order))
        for order in product((0, 1), repeat=items)
        if sign_test(sum(order), items - sum(order)) <= 0.05
    )
    assert power(items, share) == pytest.approx(found)


def test_detectable_share_is_found_in_four_of_five_tests() -> None:
    for items in (8, 20, 50, 200):
        share = detectable_share(items)
        assert share is not None
        assert power(items, share) == pytest.approx(0.8)


def test_needed_wins_are_the_fewest_that_are_found() -> None:
    assert needed_wins(50) == 33  # the tables of the sign test: of 50 signs 17 or fewer of the rarer one (α = 5 %)
    for items in range(6, 60):
        wins = needed_wins(items)
        assert wins is not None
        assert sign_test(wins, items - wins) <= 0.05 < sign_test(wins - 1, items - wins + 1)


def test_too_few_items_find_nothing() -> None:
    assert needed_wins(5) is None
    assert detectable_share(5) is None
    assert power(5, 1.0) == 0
