"""Krippendorff's alpha against his own worked examples, and a slow form of its definition."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.agreement import alpha

MISSING = "."


def _units(*raters: str) -> list[list[str]]:
    return [[value for value in values if value != MISSING] for values in zip(*raters, strict=True)]


def test_two_raters_and_two_values_give_the_published_alpha() -> None:
    # Krippendorff, 2011, "Computing Krippendorff's Alpha-Reliability", example A.
    assert alpha(_units("0100000010", "1110010000")) == pytest.approx(0.095, abs=5e-4)


def test_two_raters_and_five_values_give_the_published_alpha() -> None:
    # The same, example B.
    assert alpha(_units("aabbdcccedda", "babbbccceddd")) == pytest.approx(0.692, abs=5e-4)


def test_four_raters_with_missing_values_give_the_published_alpha() -> None:
    # The same, example C.
    found = alpha(_units("123321412...", "1233224125.3", ".3332342251.", "12332441251."))
    assert found == pytest.approx(0.743, abs=5e-4)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=12))
def test_alpha_is_one_minus_observed_over_expected_disagreement(units: list[list[str]]) -> None:
    paired = [unit for unit in units if len(unit) > 1]
    values = [value for unit in paired for value in unit]
    pairs = list(permutations(values, 2))
    expected = sum(one != other for one, other in pairs)
    if not expected:
        assert alpha(units) is None
        return
    observed = sum(sum(one != other for one, other in permutations(unit, 2)) / (len(unit) - 1) for unit in paired)
    assert alpha(units) == pytest.approx(1 - (observed / len(values)) / (expected / len(pairs)))


def test_chance_within_strata_is_no_agreement() -> None:
    # Every pair of answers that two raters can give who toss a coin between the two arms of an item.
    strata = [[[one, other] for one in pair for other in pair] * 50 for pair in ("ab", "ac", "bc")]
    assert alpha(*strata) == pytest.approx(0, abs=0.01)
    assert alpha([unit for units in strata for unit in units]) == pytest.approx(0.25, abs=0.01)


def test_alpha_can_not_be_told_without_two_votes_on_an_item() -> None:
    assert alpha([["a"], ["b"], []]) is None
