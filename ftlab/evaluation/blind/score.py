"""Scores a test: each pair of arms, each criterion, each rater, whether raters agree and whether they favour a side.

In: a test and the votes on it. Out: `Result`, numbers only. More than two arms are compared pair by pair, with p-values
adjusted for their number, and not by one strength an arm (Bradley and Terry, 1952): a strength takes for granted that
who beats whom follows one order, and is infinite for an arm that never loses, as happens with few items.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from ftlab.evaluation.blind.agreement import alpha
from ftlab.evaluation.blind.outcome import Marked, mean_points, outcome_of, points_of
from ftlab.evaluation.blind.result import PairResult, RaterResult, Result
from ftlab.evaluation.blind.sheet import CRITERIA, Rating
from ftlab.evaluation.blind.trial import Trial, Verdict
from ftlab.report.sweep.significance import holm

_Value = TypeVar("_Value")


def score(trial: Trial, ratings: Sequence[Rating], raters: Iterable[str] = ()) -> Result:
    """Scores a test.

    Args:
        trial: The test.
        ratings: One vote a (rater, item), of this test, on items that were asked.
        raters: Who was asked, also those who didn't answer.

    Returns:
        The result.

    Raises:
        ValueError: Somebody votes twice on an item.
    """
    if len({rating.key for rating in ratings}) < len(ratings):
        raise ValueError("`ratings` must hold one vote of each rater on an item, but holds more.")
    verdicts = trial.unblind(ratings)
    compared = [(later, earlier) for earlier, later in combinations(trial.key.arms, 2)]
    pairs = [pair for arm, other in compared if (pair := _pair(trial, verdicts, arm, other))]
    adjusted = holm(pair.outcome.p for pair in pairs)
    rated = {verdict.pairing.item for verdict in verdicts}
    by_pair = _grouped(((one.pairing.first, one.pairing.second), one) for one in verdicts)
    names = dict.fromkeys([*raters, *(rating.rater for rating in ratings)])
    return Result(
        test=trial.key.test,
        arms=trial.key.arms,
        asked=len(trial.asked),
        asked_a_pair=trial.asked_a_pair,
        unrated=len(trial.items - rated),
        votes=len(ratings),
        pairs=tuple(replace(pair, p_adjusted=p) for pair, p in zip(pairs, adjusted, strict=True)),
        raters={name: _rater([rating for rating in ratings if rating.rater == name]) for name in names},
        alpha=alpha(*(_grouped((one.pairing.item, one.winner) for one in votes) for votes in by_pair)),
        alpha_of={criterion: alpha(_grouped(_marks(verdicts, criterion))) for criterion in CRITERIA},
        stripped=trial.stripped(),
        cut=Counter(answer.arm for answer in trial.answers.values() if not answer.stopped),
    )


def _pair(trial: Trial, verdicts: Sequence[Verdict], arm: str, other: str) -> PairResult | None:
    """One arm against another; None where no item of theirs was rated and no two answers are the same."""
    ours = [verdict for verdict in verdicts if {verdict.left, verdict.right} == {arm, other}]
    same = sum({pairing.first, pairing.second} == {arm, other} for pairing in trial.same)
    rated = _grouped((verdict.pairing.item, _sign(verdict.winner, arm)) for verdict in ours)
    votes = [*rated, *([0] for _ in range(same))]
    if not votes:
        return None
    return PairResult(
        arm=arm,
        other=other,
        outcome=outcome_of(votes),
        same=same,
        p_adjusted=1.0,
        points=mean_points(points_of(votes)),
        criteria={criterion: _marked(ours, criterion, arm, other) for criterion in CRITERIA},
        raters={
            name: outcome_of([_sign(verdict.winner, arm)] for verdict in ours if verdict.rating.rater == name)
            for name in dict.fromkeys(verdict.rating.rater for verdict in ours)
        },
    )


def _sign(winner: str | None, arm: str) -> int:
    return 0 if winner is None else 1 if winner == arm else -1


def _marked(verdicts: Sequence[Verdict], criterion: str, arm: str, other: str) -> Marked:
    marks = [(one.pairing.item, one.mark(criterion, arm), one.mark(criterion, other)) for one in verdicts]
    given = {arm: [mark for _, mark, _ in marks], other: [mark for _, _, mark in marks]}
    both = ((item, ours - theirs) for item, ours, theirs in marks if ours is not None and theirs is not None)
    return Marked(
        yes={name: values.count(True) for name, values in given.items()},
        marked={name: len(values) - values.count(None) for name, values in given.items()},
        outcome=outcome_of(_grouped(both)),
    )


def _marks(verdicts: Iterable[Verdict], criterion: str) -> Iterator[tuple[tuple[str, str], bool]]:
    """The marks that were given to each answer."""
    for verdict in verdicts:
        for arm in (verdict.left, verdict.right):
            mark = verdict.mark(criterion, arm)
            if mark is not None:
                yield (verdict.pairing.item, arm), mark


def _grouped(values: Iterable[tuple[Hashable, _Value]]) -> list[list[_Value]]:
    """The values of each key, in the order in which the keys come."""
    groups: dict[Hashable, list[_Value]] = defaultdict(list)
    for key, value in values:
        groups[key].append(value)
    return list(groups.values())


def _rater(ratings: Sequence[Rating]) -> RaterResult:
    choices = [rating.choice for rating in ratings]
    comments = sum(bool(rating.comment.strip()) for rating in ratings)
    return RaterResult(len(ratings), choices.count("left"), choices.count("right"), comments)
