"""Ratings are read strictly: what is written is read back, and everything that is wrong with a file is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.sheet import (
    CHOICES,
    CRITERIA,
    MOST_COMMENT_CHARACTERS,
    Rating,
    open_marks,
    rater_problems,
    read_rating,
    read_rating_file,
    stray_problems,
)
from ftlab.problem import InputError
from tests.reference.made_trial import AT, rating_file

GOOD = Rating("test", "anna", "item", "left", open_marks(), "", AT)

marks = st.fixed_dictionaries(
    {
        criterion: st.fixed_dictionaries({side: st.sampled_from([True, False, None]) for side in ("left", "right")})
        for criterion in CRITERIA
    }
)
ratings = st.builds(
    Rating,
    test=st.just("test"),
    rater=st.just("anna"),
    item=st.text(min_size=1, max_size=8),
    choice=st.sampled_from(CHOICES),
    marks=marks,
    comment=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50),
    at=st.just(AT),
)


@given(st.lists(ratings, max_size=5))
def test_what_is_written_is_read_back(votes: list[Rating]) -> None:
    value = json.loads(json.dumps(rating_file(votes)))
    assert [read_rating(one, "x") for one in value["ratings"]] == votes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"choice": "Left"}, "`choice` must be left, right or tie"),
        ({"choice": ["left"]}, "`choice` must be"),
        ({"item": 3}, "`item` must be text, but is a number"),
        ({"rater": "../x"}, "slashes"),
        ({"comment": "x" * (MOST_COMMENT_CHARACTERS + 1)}, "at most 10,000 characters"),
        ({"comment": None}, "`comment` must be text, but is null"),
        ({"at": "yesterday"}, "`at` must be a time with its zone"),
        ({"at": "2026-01-31T12:00:00"}, "`at` must be a time with its zone"),
        ({"marks": {}}, "`marks` must hold terminology, reasoning, format"),
        ({"marks": {**open_marks(), "format": {"left": 1, "right": None}}}, "`marks` must say true, false or null"),
        ({"marks": {**open_marks(), "format": [True, True]}}, "`marks` must say"),
        ({"more": 1}, "`more` is no part of a rating"),
    ],
)
def test_a_vote_that_is_wrong_is_refused_with_its_reason(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        read_rating(GOOD.to_dict() | change, "the vote")
    (problem,) = error.value.problems
    assert told in f"{problem.where} {problem.what}"


def test_everything_that_is_wrong_with_a_vote_is_said_at_once() -> None:
    with pytest.raises(InputError) as error:
        read_rating({"choice": 1, "comment": 2, "x": 3}, "the vote")
    assert len(error.value.problems) == 5 + 1 + 1 + 1  # missing, unknown, choice, comment


def test_a_half_written_file_is_refused_whole(tmp_path: Path) -> None:
    file = tmp_path / "ratings.json"
    text = json.dumps(rating_file([GOOD, GOOD]))
    for length in (*range(0, len(text), 13), len(text) - 1):
        file.write_text(text[:length])
        with pytest.raises(InputError, match=r"whole JSON|must be a file of ratings"):
            read_rating_file(file)
    file.write_text("\ufeff" + text)  # what some editors put in front
    assert read_rating_file(file) == (GOOD, GOOD)


def test_all_faulty_votes_of_a_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "ratings.json"
    value = rating_file([GOOD] * 3)
    value["ratings"][0]["choice"] = "both"
    value["ratings"][2] = []
    file.write_text(json.dumps(value))
    with pytest.raises(InputError) as error:
        read_rating_file(file)
    assert [problem.where for problem in error.value.problems] == [f"{file}: rating 1", f"{file}: rating 3"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"kind": "other", "ratings": []}', "[" * 100_000, "\x80"])
def test_another_file_is_told_as_such(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ratings.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError):
        read_rating_file(file)


@pytest.mark.parametrize("name", ["", " anna", "a/b", "a\\b", "a\nb", "<b>", "x" * 61, ".hidden", 3, "a\u202eb"])
def test_names_that_can_not_be_a_file_or_a_link_are_refused(name: object) -> None:
    assert len(rater_problems(name, "x")) == 1


@pytest.mark.parametrize("name", ["anna", "Dr. Müller-Lüdenscheidt", "专家 1"])
def test_names_of_people_are_taken(name: str) -> None:
    assert not rater_problems(name, "x")


def test_votes_of_another_test_or_item_are_strays() -> None:
    assert not stray_problems(GOOD, test="test", items={"item"}, where="x")
    assert "another test" in stray_problems(GOOD, test="other", items={"item"}, where="x")[0].what
    assert "doesn't have" in stray_problems(GOOD, test="test", items={"else"}, where="x")[0].what


def test_messages_hold_nothing_that_acts_on_a_terminal() -> None:
    hostile = "\x1b[2J\ud800"
    said = [
        *stray_problems(replace(GOOD, test=hostile), test="test", items={"item"}, where="x"),
        *stray_problems(replace(GOOD, item=hostile), test="test", items={"item"}, where="x"),
    ]
    with pytest.raises(InputError) as error:
        read_rating({**GOOD.to_dict(), hostile: 1, "choice": hostile}, "x")
    for problem in (*said, *error.value.problems):
        assert str(problem).isascii()
        assert str(problem).isprintable()
        assert "\\u001b[2J" in str(problem)
