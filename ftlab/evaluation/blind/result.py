"""What a test says: `Result`, as numbers; and what a number of items can detect. How it comes about is `score`'s."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftlab.evaluation.blind.binomial import detectable_share, needed_wins, sign_test
from ftlab.evaluation.blind.outcome import Marked, Outcome


@dataclass(frozen=True, slots=True)
class PairResult:
    """One arm against another.

    Attributes:
        arm: The arm that wins are counted for.
        other: The arm it is compared with.
        outcome: Over items, same answers among the ties.
        same: Items whose answers look the same: ties that nobody was asked about.
        p_adjusted: Its p-value, adjusted for the number of pairs.
        points: Mean points of an item (win 1, tie 1/2, loss 0), and its bootstrap interval where there is one.
        criteria: By criterion.
        raters: Each rater's own outcome, over what this rater was asked and rated.
    """

    arm: str
    other: str
    outcome: Outcome
    same: int
    p_adjusted: float
    points: tuple[float, tuple[float, float] | None]
    criteria: Mapping[str, Marked]
    raters: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class RaterResult:
    """What one rater did.

    Attributes:
        rated: Items rated.
        left: Times the left side was chosen.
        right: Times the right side was chosen.
        comments: Comments written.
    """

    rated: int
    left: int
    right: int
    comments: int

    @property
    def side_p(self) -> float:
        """How likely choices at least as one-sided are where the side doesn't matter (exact binomial, two-sided)."""
        return sign_test(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Result:
    """What a test says.

    Attributes:
        test: The test's id.
        arms: The arms.
        asked: Items that each rater was asked.
        asked_a_pair: Those of the pair of arms that has the fewest.
        unrated: Items that nobody rated.
        votes: All votes.
        pairs: Each pair of arms that has a rated item.
        raters: By rater, also those who rated nothing.
        alpha: Agreement on which is better; None where it can't be told.
        alpha_of: Agreement on the marks of each criterion.
        stripped: What was taken out of each arm's answers, by kind.
        cut: Answers of each arm that were cut at the longest length.
    """

    test: str
    arms: tuple[str, ...]
    asked: int
    asked_a_pair: int
    unrated: int
    votes: int
    pairs: tuple[PairResult, ...]
    raters: Mapping[str, RaterResult]
    alpha: float | None
    alpha_of: Mapping[str, float | None]
    stripped: Mapping[str, Counter[str]]
    cut: Mapping[str, int]

    @property
    def left(self) -> int:
        """Times the left side was chosen, all raters together."""
        return sum(rater.left for rater in self.raters.values())

    @property
    def right(self) -> int:
        """Times the right side was chosen, all raters together."""
        return sum(rater.right for rater in self.raters.values())

    @property
    def side_p(self) -> float:
        """As `RaterResult.side_p`, all raters together."""
        return sign_test(self.left, self.right)

    def section(self) -> dict[str, Any] | None:
        """Returns the `blind` section of a run: its first pair, which is tuned against base; None without any pair.

        The p-value is the adjusted one, where more pairs were tested beside it.
        """
        if not self.pairs:
            return None
        pair = self.pairs[0]
        counts = pair.outcome.to_dict()
        kept = ("items", "wins", "ties", "losses", "rate", "low", "high")
        return {
            **{name: counts[name] for name in kept},
            "p": pair.p_adjusted,
            "raters": sum(rater.rated > 0 for rater in self.raters.values()),
            "arms": [pair.arm, pair.other],
            "alpha": self.alpha,
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain values for JSON."""
        return {
            "test": self.test,
            "arms": list(self.arms),
            "asked": self.asked,
            "unrated": self.unrated,
            "votes": self.votes,
            "pairs": [_pair_dict(pair) for pair in self.pairs],
            "raters": {
                name: {key: getattr(rater, key) for key in ("rated", "left", "right", "comments", "side_p")}
                for name, rater in self.raters.items()
            },
            "side": {"left": self.left, "right": self.right, "p": self.side_p},
            "agreement": {"better": self.alpha, **self.alpha_of},
            "detectable": detectable(self.asked_a_pair),
            "stripped": {arm: dict(found) for arm, found in self.stripped.items()},
            "cut": dict(self.cut),
        }


def detectable(items: int) -> dict[str, Any]:
    """What difference a number of items can find: by the exact power of the sign test, 80 % at a p-value of 5 %.

    Args:
        items: Decided items.

    Returns:
        `items`; `rate`: the smallest true share of wins that is found; `wins`: how many of the items must be won. Both
        are None where the items are too few for any difference.
    """
    return {"items": items, "rate": detectable_share(items), "wins": needed_wins(items)}


def _pair_dict(pair: PairResult) -> dict[str, Any]:
    mean, ends = pair.points
    low, high = ends or (None, None)
    return {
        "arm": pair.arm,
        "other": pair.other,
        **pair.outcome.to_dict(),
        "same": pair.same,
        "p_adjusted": pair.p_adjusted,
        "points": {"mean": mean, "low": low, "high": high},
        "criteria": {name: marked.to_dict() for name, marked in pair.criteria.items()},
        "raters": {name: outcome.to_dict() for name, outcome in pair.raters.items()},
    }
