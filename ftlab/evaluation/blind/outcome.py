"""How one arm did against another over the items of a test: wins, ties, losses, and what they allow to say.

In: what raters said of each item. Out: `Outcome`s. The unit is the item, since votes of several raters on one item are
no independent evidence: its raters' votes are put together first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftlab.evaluation.blind.binomial import detectable_share, exact_interval, sign_test
from ftlab.evaluation.bootstrap import interval

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of items, from the side of one arm.

    Attributes:
        wins: Items where it is the better one.
        ties: Items where neither is.
        losses: Items where the other is.
    """

    wins: int
    ties: int
    losses: int

    @property
    def items(self) -> int:
        """All of them."""
        return self.wins + self.ties + self.losses

    @property
    def decided(self) -> int:
        """Items that are no ties."""
        return self.wins + self.losses

    @property
    def rate(self) -> float | None:
        """Share of the decided items that are won; None where nothing is decided."""
        return self.wins / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of `rate`."""
        return exact_interval(self.wins, self.decided)

    @property
    def p(self) -> float:
        """The p-value of the sign test."""
        return sign_test(self.wins, self.losses)

    def to_dict(self) -> dict[str, Any]:
        """Returns counts and statistics as plain values."""
        low, high = self.interval
        shares = {
            name: list(exact_interval(count, self.items))
            for name, count in (("wins", self.wins), ("ties", self.ties), ("losses", self.losses))
        }
        return {
            "items": self.items,
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "rate": self.rate,
            "low": low,
            "high": high,
            "p": self.p,
            "detectable_rate": detectable_share(self.decided),
            "share_intervals": shares,
        }


def outcome_of(items: Iterable[Sequence[int]]) -> Outcome:
    """Counts items by the side that more of their votes take; a vote for neither takes none.

    Args:
        items: For each item its votes: 1 for the arm, -1 for the other, 0 for neither; at least one vote an item.

    Returns:
        The counts; an item whose votes balance out is a tie.
    """
    signs = [int(np.sign(sum(votes))) for votes in items]
    return Outcome(signs.count(1), signs.count(0), signs.count(-1))


def points_of(items: Iterable[Sequence[int]]) -> list[float]:
    """Returns the points of each item: the mean of its votes, a win being 1, a tie 1/2, a loss 0.

    Args:
        items: As in `outcome_of`.
    """
    return [(1 + sum(votes) / len(votes)) / 2 for votes in items]


def mean_points(points: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean points of an item with its bootstrap interval over items.

    Args:
        points: Of each item; at least one.

    Returns:
        Mean, and the ends of its 95 % interval; None where all items have the same points: drawn anew they would never
        differ, however few they are.
    """
    if len(set(points)) == 1:
        return points[0], None
    ones = np.ones(len(points))
    ends = interval(np.stack([points, ones], axis=1), lambda sums: sums[:, 0] / sums[:, 1], resamples=_RESAMPLES)
    return float(np.mean(points)), ends


@dataclass(frozen=True, slots=True)
class Marked:
    """How often a criterion is met.

    Attributes:
        yes: For each arm, the marks that say so.
        marked: For each arm, the marks that were given; the others were left open.
        outcome: Items where both arms are marked: a win where it is met by the arm alone.
    """

    yes: Mapping[str, int]
    marked: Mapping[str, int]
    outcome: Outcome

    def share(self, arm: str) -> float | None:
        """Returns the share of an arm's marks that say the criterion is met; None where it has none."""
        return self.yes[arm] / self.marked[arm] if self.marked[arm] else None

    def to_dict(self) -> dict[str, Any]:
        """Returns counts and statistics as plain values."""
        arms = {
            arm: {
                "yes": self.yes[arm],
                "marked": self.marked[arm],
                "share": self.share(arm),
            }
            for arm in self.yes
        }
        return {"arms": arms, "outcome": self.outcome.to_dict()}
