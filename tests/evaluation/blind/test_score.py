"""Votes become counts by item, pair, criterion and rater; nothing counts twice, and what is missing is told."""

import csv
import random
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from ftlab.evaluation.blind.binomial import sign_test
from ftlab.evaluation.blind.outcome import Outcome, mean_points, outcome_of, points_of
from ftlab.evaluation.blind.record import vote_rows, write_csv
from ftlab.evaluation.blind.result import detectable
from ftlab.evaluation.blind.score import score
from ftlab.evaluation.blind.trial import Trial
from ftlab.evaluation.blind.wording import headline, remarks
from tests.reference.made_trial import made_trial, two_arms, vote


def _tuned(left: str, right: str) -> str:
    return "tuned"


def _tie(left: str, right: str) -> None:
    return None


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return two_arms(tmp_path, questions=20)


def test_one_rater_who_always_prefers_one(trial: Trial) -> None:
    result = score(trial, vote(trial, "anna", _tuned), ["anna"])
    (pair,) = result.pairs
    assert (pair.arm, pair.other, pair.outcome) == ("tuned", "base", Outcome(20, 0, 0))
    assert pair.outcome.p == pytest.approx(2 * 0.5**20)
    assert pair.points == (1.0, None)
    assert result.raters["anna"].left == result.raters["anna"].right == 10
    assert (result.side_p, result.alpha, result.unrated) == (1.0, None, 0)
    assert headline(result) == "tuned is better than base."
    terminology = pair.criteria["terminology"]
    assert (terminology.share("tuned"), terminology.share("base")) == (1.0, 0.0)
    assert terminology.outcome == Outcome(20, 0, 0)
    assert pair.criteria["format"].share("tuned") is None
    assert pair.criteria["format"].outcome.items == 0


def test_section_is_what_the_report_draws(trial: Trial) -> None:
    section = score(trial, vote(trial, "anna", _tuned), ["anna", "ben"]).section()
    assert section is not None
    assert section | {"low": 0, "p": 0} == {
        "items": 20, "raters": 1, "arms": ["tuned", "base"], "wins": 20, "ties": 0, "losses": 0,
        "rate": 1.0, "low": 0, "high": 1.0, "p": 0, "alpha": None,
    }  # fmt: skip


def test_raters_who_agree_have_alpha_one_and_count_an_item_once(trial: Trial) -> None:
    likes = {item: "tuned" if place < 14 else "base" for place, item in enumerate(sorted(trial.items))}
    votes = []
    for rater in ("anna", "ben", "carl"):
        drawn = vote(trial, rater, _tuned)
        sides = trial.sides(rater)
        votes += [replace(one, choice="left" if sides[one.item][0] == likes[one.item] else "right") for one in drawn]
    result = score(trial, votes)
    assert result.alpha == 1.0
    assert result.pairs[0].outcome == Outcome(14, 0, 6)
    assert result.pairs[0].outcome.p == pytest.approx(sign_test(14, 6))
    assert all(outcome == Outcome(14, 0, 6) for outcome in result.pairs[0].raters.values())


def test_raters_who_cancel_out_leave_ties(trial: Trial) -> None:
    result = score(trial, [*vote(trial, "anna", _tuned), *vote(trial, "ben", lambda *_: "base")])
    assert result.pairs[0].outcome == Outcome(0, 20, 0)
    assert result.pairs[0].outcome.rate is None
    assert result.pairs[0].points[0] == 0.5
    assert result.alpha is not None
    assert result.alpha < 0
    assert headline(result) == "No difference between tuned and base was found."


def test_same_answers_are_ties_and_no_votes(tmp_path: Path) -> None:
    trial = made_trial(tmp_path, {"base": ["a", "b", "c"], "tuned": ["a", "b", "x"]})
    result = score(trial, vote(trial, "anna", _tuned))
    assert result.pairs[0].outcome == Outcome(1, 2, 0)
    assert (result.pairs[0].same, result.asked, result.votes) == (2, 1, 1)
    assert any("2 items have the same answer twice and are ties" in sentence for sentence in remarks(result))


def test_missing_and_partial_raters_are_told(trial: Trial) -> None:
    result = score(trial, vote(trial, "anna", _tuned, most=5), ["anna", "ben"])
    said = remarks(result)
    assert "15 of 20 items have no vote and are left out." in said
    assert "anna has rated 5 of 20 items." in said
    assert "ben has rated nothing." in said
    assert "Who sees this result before rating the rest is no longer blind." in said
    whole = remarks(score(trial, vote(trial, "anna", _tuned), ["anna"]))
    assert not any("no longer blind" in sentence for sentence in whole)
    assert result.pairs[0].outcome.items == 5


def test_a_rater_who_always_takes_the_left_is_found_out(trial: Trial) -> None:
    result = score(trial, [*vote(trial, "anna", lambda left, _: left), *vote(trial, "ben", _tie)])
    assert (result.left, result.right) == (20, 0)
    assert result.side_p < 1e-5
    assert result.raters["ben"].side_p == 1.0
    assert result.pairs[0].raters["anna"] == Outcome(10, 0, 10)
    assert any("a side is favoured by anna" in sentence for sentence in remarks(result))


def test_a_vote_that_is_there_twice_is_an_error_of_the_caller(trial: Trial) -> None:
    votes = vote(trial, "anna", _tuned)
    with pytest.raises(ValueError, match="one vote of each rater"):
        score(trial, [*votes, votes[0]])


def test_three_arms_give_three_pairs_with_adjusted_p_values(tmp_path: Path) -> None:
    trial = made_trial(tmp_path, {arm: [f"{arm} {place}" for place in range(10)] for arm in "abc"}, every_pair=True)
    result = score(trial, vote(trial, "anna", lambda left, right: "c" if "c" in (left, right) else None, good="c"))
    found = {(pair.arm, pair.other): pair for pair in result.pairs}
    assert set(found) == {("b", "a"), ("c", "a"), ("c", "b")}
    assert found["c", "a"].outcome == found["c", "b"].outcome == Outcome(10, 0, 0)
    assert found["b", "a"].outcome == Outcome(0, 10, 0)
    assert found["c", "a"].p_adjusted == pytest.approx(3 * found["c", "a"].outcome.p)
    assert headline(result) == "2 of 3 pairs differ more than chance allows for."
    assert (result.asked, result.to_dict()["detectable"]["items"]) == (30, 10)
    section = score(trial, vote(trial, "anna", lambda left, right: "b" if "b" in (left, right) else None)).section()
    assert section is not None
    assert (section["arms"], section["p"]) == (["b", "a"], pytest.approx(3 * sign_test(10, 0)))


def test_raters_of_several_pairs_who_toss_a_coin_do_not_agree(tmp_path: Path) -> None:
    trial = made_trial(tmp_path, {arm: [f"{arm} {place}" for place in range(300)] for arm in "abc"})
    coin = random.Random(0)
    result = score(trial, [one for name in ("anna", "ben") for one in vote(trial, name, lambda *two: coin.choice(two))])
    assert result.alpha == pytest.approx(0, abs=0.15)


def test_one_rater_of_many_is_not_called_one_sided_by_chance(trial: Trial) -> None:
    left = [replace(one, choice="left") for one in vote(trial, "r0", _tuned, most=6)]
    others = [one for number in range(1, 5) for one in vote(trial, f"r{number}", _tuned)]
    result = score(trial, [*left, *others])
    assert result.raters["r0"].side_p < 0.05
    assert any("no sign that a side is favoured" in sentence for sentence in remarks(result))


def test_items_are_decided_by_most_of_their_votes() -> None:
    items = [[1, 1, -1], [1, -1], [0, 0, -1], [0]]
    assert outcome_of(items) == Outcome(1, 2, 1)
    assert points_of(items) == pytest.approx([2 / 3, 0.5, 1 / 3, 0.5])


def test_bootstrap_interval_is_about_the_normal_one_for_many_items() -> None:
    points = [value for value, _ in zip(cycle([0.0, 1.0, 1.0, 0.5]), range(400), strict=False)]
    mean, ends = mean_points(points)
    error = (sum((value - mean) ** 2 for value in points) / len(points)) ** 0.5 / len(points) ** 0.5
    assert mean == pytest.approx(0.625)
    assert ends == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.005)


def test_items_that_all_end_alike_have_no_bootstrap_interval() -> None:
    assert mean_points([1.0]) == mean_points([1.0] * 9) == (1.0, None)


def test_fifty_items_detect_seven_of_ten() -> None:
    found = detectable(50)
    assert (found["items"], found["wins"]) == (50, 33)
    assert found["rate"] == pytest.approx(0.704, abs=5e-4)
    assert detectable(4) == {"items": 4, "rate": None, "wins": None}


def test_csv_has_a_line_a_vote_and_no_formulas(trial: Trial, tmp_path: Path) -> None:
    votes = vote(trial, "anna", _tuned)
    votes[3] = replace(votes[3], comment='=HYPERLINK("x")\nsecond line, \ud800')
    rows = vote_rows(trial, trial.unblind(votes))
    write_csv(tmp_path / "votes.csv", rows)
    with (tmp_path / "votes.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == 20
    assert [int(row["question"]) for row in read] == list(range(1, 21))
    assert {row["winner"] for row in read} == {"tuned"}
    assert [row["comment"] for row in read if row["comment"]] == ['\'=HYPERLINK("x")\nsecond line, \\ud800']
    for row in read:
        assert row[f"{row['choice']}_arm"] == "tuned"
        assert row["left_answer"] == f"the {row['left_arm']} answer {int(row['question']) - 1}"
