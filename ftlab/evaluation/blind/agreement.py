"""Whether raters agree: Krippendorff's alpha for names (nominal data), with any number of raters and missing votes.

In: the votes on each item. Out: 1 for full agreement, 0 for what chance would give, below 0 for less than that.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def alpha(*strata: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha, nominal.

    α = 1 - D_o / D_e, observed over expected disagreement, from the coincidences of values within a unit
    (Krippendorff, 2011, "Computing Krippendorff's Alpha-Reliability", section C).

    >>> alpha([["a", "a"], ["b", "b"], ["a", "b"]])
    0.4444444444444444

    What chance would give is taken within each stratum: where items differ in the values they can get, as those of
    different pairs of arms do, raters who agree by chance alone would else seem to agree on more.

    Args:
        *strata: For each item the values that it got, one a rater; items with fewer than two are left out. Items of one
            stratum can get the same values.

    Returns:
        Alpha; None where no item has two votes, or all votes are the same: agreement can't be told from chance then.
    """
    observed = expected = 0.0
    for units in strata:
        paired = [Counter(values) for values in units if len(values) > 1]
        observed += sum(map(_disagreement, paired))
        expected += _disagreement(sum(paired, Counter[Hashable]()))
    return 1 - observed / expected if expected else None


def _disagreement(values: Counter[Hashable]) -> float:
    """How many of the values differ from another one, drawn from the others."""
    count = values.total()
    differing = count**2 - sum(times**2 for times in values.values())
    return differing / (count - 1) if differing else 0.0
