"""Held-out loss of rows against that of one of them, by seed. In: the jobs of rows. Out: differences with p-values.

Runs with the same seed see the same rows in the same order, so that what a seed does to both falls out of their
difference: the t test is paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from statistics import mean

from ftlab.report.sweep.comparison import Difference, Row
from ftlab.report.sweep.group import SEED, setting
from ftlab.report.sweep.significance import SIGNIFICANCE, holm, paired_p, t_interval


@dataclass(frozen=True, slots=True)
class Losses:
    """Where the held-out loss of a job stands.

    Attributes:
        key: `loss` (test rows) or `val_loss` (validation rows, where test rows were not measured).
    """

    key: str

    def by_seed(self, row: Row) -> dict[str, float]:
        """Returns the losses of a row's jobs by seed; NaN where a job has none."""
        return {setting(job, SEED): job.values.get(self.key, nan) for job in row.jobs}

    def differences(self, first: Row, others: Sequence[Row]) -> list[Difference | None]:
        """Holds rows against one, with p-values adjusted for their number.

        Args:
            first: The row that the others are held against.
            others: These.

        Returns:
            One each; None where no seed with a finite loss is common.
        """
        found = [self._difference(first, row) for row in others]
        adjusted = iter(holm(one.p for one in found if one and one.p is not None))
        return [replace(one, p_holm=next(adjusted)) if one and one.p is not None else one for one in found]

    def _difference(self, first: Row, row: Row) -> Difference | None:
        before, after = self.by_seed(first), self.by_seed(row)
        pairs = [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]
        pairs = [pair for pair in pairs if isfinite(pair)]
        if not pairs:
            return None
        interval = t_interval(pairs)
        low, high = interval[1:] if interval else (None, None)
        return Difference(mean(pairs), low, high, paired_p(pairs), None, len(pairs))


def is_found(difference: Difference | None) -> bool:
    """Whether a difference is surely there: its adjusted p-value is at most `SIGNIFICANCE`."""
    return difference is not None and difference.p_holm is not None and difference.p_holm <= SIGNIFICANCE
