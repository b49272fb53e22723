"""What raters see tells nothing of the arms, and what they say is joined to the right one."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlab.evaluation.blind.sheet import Rating, open_marks
from ftlab.evaluation.blind.trial import Trial
from tests.reference.made_trial import AT, made_trial, two_arms, vote

texts = st.lists(st.tuples(st.text("abc", max_size=4), st.text("abc", max_size=4)), min_size=1, max_size=12)


def _of(folder: Path, base: list[str], tuned: list[str]) -> Trial:
    return made_trial(folder, {"base": base, "tuned": tuned})


@settings(max_examples=20)
@given(texts)
def test_swapping_the_arms_swaps_sides_and_changes_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    base, tuned = [one for one, _ in pairs], [other for _, other in pairs]
    trial = _of(tmp_path_factory.mktemp("one"), base, tuned)
    swapped = _of(tmp_path_factory.mktemp("other"), tuned, base)
    for rater in ("anna", "ben"):
        mine, theirs = trial.sheet(rater).items, swapped.sheet(rater).items
        assert [(one.id, one.question, one.left, one.right) for one in mine] == [
            (one.id, one.question, one.right, one.left) for one in theirs
        ]


def test_a_sheet_names_no_arm_and_holds_the_same_items_for_all(tmp_path: Path) -> None:
    trial = made_trial(tmp_path, {"armA": [f"x{n}" for n in range(9)], "armB": [f"y{n}" for n in range(9)]})
    anna, ben = trial.sheet("anna"), trial.sheet("ben")
    text = json.dumps(asdict(anna))
    assert "arm" not in text
    assert trial.key.secret not in text
    assert {item.id for item in anna.items} == {item.id for item in ben.items} == trial.items
    assert [item.id for item in anna.items] != [item.id for item in ben.items]
    assert anna == Trial(tmp_path).sheet("anna")


def test_each_arm_stands_left_in_half_of_a_sheet(tmp_path: Path) -> None:
    trial = two_arms(tmp_path, questions=20)
    for rater in ("anna", "ben", "专家"):
        assert Counter(left for left, _ in trial.sides(rater).values()) == {"base": 10, "tuned": 10}


def test_same_answers_are_ties_that_nobody_is_asked(tmp_path: Path) -> None:
    trial = _of(tmp_path, ["a", "b", "<think>long</think>c"], ["x", "b", " c\n"])
    assert [pairing.question for pairing in trial.same] == [1, 2]
    assert [item.question for item in trial.sheet("anna").items] == ["Question 0?"]
    assert trial.stripped() == {"base": Counter(thinking=1), "tuned": Counter()}


def test_votes_are_joined_to_the_arm_that_stood_there(tmp_path: Path) -> None:
    trial = two_arms(tmp_path)
    verdicts = trial.unblind([*vote(trial, "anna", lambda left, right: "tuned"), *vote(trial, "ben", lambda *_: None)])
    assert Counter((one.rating.rater, one.winner) for one in verdicts) == {("anna", "tuned"): 20, ("ben", None): 20}
    for verdict in verdicts:
        item = next(one for one in trial.sheet(verdict.rating.rater).items if one.id == verdict.rating.item)
        assert item.left == f"the {verdict.left} answer {verdict.pairing.question}"
        assert item.right == f"the {verdict.right} answer {verdict.pairing.question}"
        assert verdict.mark("terminology", "tuned") is True
        assert verdict.mark("terminology", "base") is False
        assert verdict.mark("format", "base") is None


def test_three_arms_meet_each_other_equally_often(tmp_path: Path) -> None:
    answers = {arm: [f"{arm} {place}" for place in range(12)] for arm in ("a", "b", "c")}
    trial = made_trial(tmp_path, answers)
    assert Counter(frozenset(sides) for sides in trial.sides("anna").values()) == {
        frozenset(pair): 4 for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    }
    assert len(made_trial(tmp_path, answers, every_pair=True).asked) == 36


def test_a_rating_of_an_item_is_read_from_its_own_raters_side(tmp_path: Path) -> None:
    trial = two_arms(tmp_path)
    raters = [f"rater {number}" for number in range(8)]
    item = trial.asked[0].item
    votes = [Rating(trial.key.test, rater, item, "left", open_marks(), "", AT) for rater in raters]
    assert {verdict.winner for verdict in trial.unblind(votes)} == {"base", "tuned"}
