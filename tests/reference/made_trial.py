"""A blind test made by hand: questions and answers of any arms, sealed with a known secret; and votes on it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ftlab.evaluation.blind.answers import AnswerFile, ArmAnswer
from ftlab.evaluation.blind.seal import ANSWERS, seal
from ftlab.evaluation.blind.sheet import CRITERIA, FILE_KIND, Choice, Rating, Side, open_marks
from ftlab.evaluation.blind.store import RatingStore
from ftlab.evaluation.blind.strip import Rules
from ftlab.evaluation.blind.trial import Asked, Trial, write_questions

SECRET = bytes(range(32))
AT = "2026-01-31T12:00:00+00:00"

Preference = Callable[[str, str], str | None]
"""Takes the arms on the left and on the right, gives the better one, or None for a tie."""


def made_trial(
    folder: Path,
    answers: Mapping[str, Sequence[str]],
    *,
    every_pair: bool = False,
    rules: Rules | None = None,
    weights: str = "",
) -> Trial:
    """Makes a sealed test.

    Args:
        folder: Where.
        answers: Each arm's answers, in the order of the questions.
        every_pair: As in `seal`.
        rules: What is stripped.
        weights: What tells the weights that answered.
    """
    arms = tuple(answers)
    count = len(answers[arms[0]])
    write_questions(folder, [Asked(f"made.jsonl:{place + 1}", f"Question {place}?", "") for place in range(count)])
    made_of = [{"name": arm, "model": arm, "weights": weights} for arm in arms]
    file = AnswerFile(folder / ANSWERS, {"decoding": "made", "arms": made_of})
    file.add(
        ArmAnswer(place, arm, text, stopped=True, tokens=len(text))
        for arm in arms
        for place, text in enumerate(answers[arm])
    )
    seal(folder, arms=arms, every_pair=every_pair, rules=rules or Rules(), secret=SECRET)
    return Trial(folder)


def two_arms(folder: Path, questions: int = 20, weights: str = "") -> Trial:
    """A sealed test of base against tuned, whose answers name their arm."""
    texts = {arm: [f"the {arm} answer {place}" for place in range(questions)] for arm in ("base", "tuned")}
    return made_trial(folder, texts, weights=weights)


def vote(trial: Trial, rater: str, prefer: Preference, *, most: int | None = None, good: str = "tuned") -> list[Rating]:
    """A rater's votes, who knows the arms and prefers one by a rule.

    Args:
        trial: The test.
        rater: Whose sheet is rated.
        prefer: The rule.
        most: How many items are rated; None rates all.
        good: The arm whose terminology is right; the other's is wrong. The other criteria are left open.
    """
    sides = trial.sides(rater)
    ratings = []
    for item in trial.sheet(rater).items[:most]:
        left, right = sides[item.id]
        better = prefer(left, right)
        choice: Choice = "tie" if better is None else "left" if better == left else "right"
        marks = open_marks(CRITERIA)
        side: Side = "left" if left == good else "right"
        marks["terminology"] = {"left": side == "left", "right": side == "right"}
        ratings.append(Rating(trial.key.test, rater, item.id, choice, marks, "", AT))
    return ratings


def rating_file(ratings: Iterable[Rating]) -> dict[str, Any]:
    """What a page saves for its rater to send back, as plain values."""
    return {"kind": FILE_KIND, "ratings": [rating.to_dict() for rating in ratings]}


def keep(store: RatingStore, rating: Rating) -> bool:
    """Lets a store take in a vote with the time that it bears, by a file; returns whether anything changed."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "ratings.json")
        file.write_text(json.dumps(rating_file([rating])))
        merged = store.merge(file, test=rating.test, items={rating.item}, raters={rating.rater})
    assert not merged.refused
    return not merged.unchanged
