"""Whether raters agree: Krippendorff's alpha for names (nominal data), with any number of raters and missing votes.

In: the votes on each item. Out: 1 for full agreement, 0 for what chance would give, below 0 for less than that.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha, nominal.

    α = 1 - D_o / D_e, observed over expected disagreement, from the coincidences of values within a unit
    (Krippendorff, 2011, "Computing Krippendorff's Alpha-Reliability", section C).

    >>> alpha([["a", "a"], ["b", "b"], ["a", "b"]])
    0.4444444444444444

    Args:
        units: For each item the values that it got, one a rater; items with fewer than two are left out.

    Returns:
        Alpha; None where no item has two votes, or all votes are the same: agreement can't be told from chance then.
    """
    paired = [Counter(values) for values in units if len(values) > 1]
    totals = sum(paired, Counter[Hashable]())
    count = totals.total()
    expected = count**2 - sum(times**2 for times in totals.values())
    if not expected:
        return None
    observed = sum(
        (values.total() ** 2 - sum(times**2 for times in values.values())) / (values.total() - 1) for values in paired
    )
    return 1 - (count - 1) * observed / expected
