"""Intervals over rows: right in the cases that are known, and as wide as rows differ."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ftlab.evaluation.bootstrap import interval, resampled_sums

Floats = NDArray[np.float64]


def _ratio(sums: Floats) -> Floats:
    found: Floats = sums[:, 0] / sums[:, 1]
    return found


def _rows(rows: int, seed: int = 0, spread: float = 1.0) -> Floats:
    """Rows of different lengths whose loss a token is 2 on average."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(1, 40, rows).astype(np.float64)
    return np.stack([tokens * (2 + spread * generator.standard_normal(rows)), tokens], axis=1)


def test_resampling_equals_a_slow_loop_over_the_same_rows() -> None:
    values = _rows(7)
    drawn = np.random.default_rng(3).integers(7, size=(50, 7))
    slow = [[sum(values[row, column] for row in rows) for column in (0, 1)] for rows in drawn]
    np.testing.assert_allclose(resampled_sums(values, resamples=50, seed=3), slow, rtol=1e-12)


def test_equal_rows_leave_no_doubt() -> None:
    assert interval(np.tile([3.0, 2.0], (9, 1)), _ratio) == (1.5, 1.5)


def test_interval_is_as_wide_as_the_central_limit_says() -> None:
    """The mean of n values: ± 1.96 standard errors."""
    values = np.stack([np.random.default_rng(1).standard_normal(2000), np.ones(2000)], axis=1)
    low, high = interval(values, _ratio, resamples=4000) or (0.0, 0.0)
    half = 1.96 * values[:, 0].std() / math.sqrt(2000)
    assert low == pytest.approx(values[:, 0].mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values[:, 0].mean() + half, abs=0.1 * half)


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    found = [interval(_rows(60, seed), _ratio, resamples=300) or (0.0, 0.0) for seed in range(200)]
    assert 0.88 <= np.mean([low <= 2 <= high for low, high in found]) <= 0.99


def test_paired_rows_tell_a_small_difference_that_unpaired_ones_hide() -> None:
    base = _rows(80)
    nll, tokens = base.T
    tuned_nll = nll - 0.1 * tokens * (1 + 0.1 * np.random.default_rng(5).standard_normal(80))
    low, high = interval(np.stack([tuned_nll - nll, tokens], axis=1), _ratio) or (0.0, 0.0)
    assert -0.11 < low < high < -0.09
    alone = interval(base, _ratio) or (0.0, 0.0)
    assert alone[1] - alone[0] > 0.3


def test_seed_fixes_the_interval() -> None:
    values = _rows(30)
    assert interval(values, _ratio, seed=1) == interval(values, _ratio, seed=1) != interval(values, _ratio, seed=2)


def test_one_row_has_no_interval() -> None:
    assert interval(_rows(1), _ratio) is None


@pytest.mark.parametrize(("setting", "said"), [({"level": 1.0}, "`level` must be"), ({"resamples": 0}, "`resamples`")])
def test_settings_out_of_range_are_refused(setting: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        interval(_rows(5), _ratio, **setting)  # type: ignore[arg-type]


def test_many_rows_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled_sums(_rows(50), resamples=40, seed=0)
    monkeypatch.setattr("ftlab.evaluation.bootstrap._BLOCK_ELEMENTS", 50 * 3)
    np.testing.assert_allclose(resampled_sums(_rows(50), resamples=40, seed=0), whole)
