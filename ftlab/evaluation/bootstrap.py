"""Intervals from resampled rows: how far a figure would move with other held-out rows of the same kind.

The unit is the row, because tokens of one row aren't independent. A loss is a ratio of sums (Σ NLL ÷ Σ tokens), so both
sums are resampled together (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13: percentile
interval). Two models are compared on the same resampled rows: what rows share cancels out.

Shape letters: R rows, K sums kept of each row, B resamples.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
LEAST_ROWS = 2
"""Of fewer rows nothing can be said: each resample would be the same."""

_BLOCK_ELEMENTS = 2**22
"""Rows drawn at a time, over all resamples: 32 MiB of indices."""

Floats = NDArray[np.float64]


def interval(
    values_RK: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Returns the percentile bootstrap interval of a statistic of sums over rows.

    >>> nll, tokens = np.array([2.0, 4.0, 3.0]), np.array([2.0, 2.0, 2.0])
    >>> low, high = interval(np.stack([nll, tokens], axis=1), lambda sums: sums[:, 0] / sums[:, 1])
    >>> 1.0 <= low < 1.5 < high <= 2.0
    True

    Args:
        values_RK: What each row adds to the sums.
        statistic: From sums [B, K] to one value a resample [B].
        resamples: How many times rows are drawn anew, with replacement and as many as there are.
        level: Share of the resamples inside the interval.
        seed: Fixes which rows are drawn.

    Returns:
        Lower and upper end; None for fewer than two rows.

    Raises:
        ValueError: `level` isn't between 0 and 1, or `resamples` is less than 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, but is {level}.")
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1, but is {resamples}.")
    if len(values_RK) < LEAST_ROWS:
        return None
    drawn_B = statistic(resampled_sums(values_RK, resamples=resamples, seed=seed))
    outside = (1 - level) / 2
    low, high = np.quantile(drawn_B, (outside, 1 - outside))
    return float(low), float(high)


def resampled_sums(values_RK: Floats, *, resamples: int, seed: int) -> Floats:
    """Returns the sums over rows drawn with replacement, [B, K], float64.

    Args:
        values_RK: What each row adds to the sums; at least one row.
        resamples: B.
        seed: Fixes which rows are drawn.
    """
    rows = len(values_RK)
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_ELEMENTS // rows)
    columns = [np.ascontiguousarray(column) for column in values_RK.T]
    sums = []
    for start in range(0, resamples, block):
        drawn = generator.integers(rows, size=(min(block, resamples - start), rows))
        sums.append(np.stack([column[drawn].sum(axis=1) for column in columns], axis=1))
    return np.concatenate(sums)
