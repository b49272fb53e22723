"""What raters see and what they send back: `Sheet`, its `Item`s, and `Rating`, read strictly from JSON.

In: plain values, also from files that people sent. Out: dataclasses, or every fault of a file at once. Nothing here
knows whose an answer is: what joins a side to an arm lies in the sealed key (`ftlab.evaluation.blind.seal`).
"""

import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ftlab.problem import InputError, Problem, raise_all

Side = Literal["left", "right"]
Choice = Literal["left", "right", "tie"]

SIDES: tuple[Side, ...] = get_args(Side)
CHOICES: tuple[Choice, ...] = get_args(Choice)
CRITERIA = ("terminology", "reasoning", "format")
"""The three marks that each answer gets: terminology right? reasoning sound? format kept?"""

FILE_KIND = "ftlab ratings 1"
"""What a file of ratings says it is."""

MOST_COMMENT_CHARACTERS = 10_000
MOST_NAME_CHARACTERS = 60
MOST_FILE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One question with two answers, as one rater sees it.

    Attributes:
        id: The same for every rater; says nothing of the arms.
        question: What was asked.
        left: The answer on the left.
        right: The answer on the right.
    """

    id: str
    question: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that one rater is asked, in this rater's own order and sides.

    Attributes:
        test: Which test it is.
        rater: Whose sheet it is.
        items: The questions, in the order in which they are shown.
        criteria: What each answer is marked for.
    """

    test: str
    rater: str
    items: tuple[Item, ...]
    criteria: tuple[str, ...] = CRITERIA


@dataclass(frozen=True, slots=True)
class Rating:
    """One vote: what one rater says of one item.

    Attributes:
        test: Which test it belongs to.
        rater: Who says it.
        item: Of which item.
        choice: The better side of this rater's sheet, or a tie.
        marks: For each criterion and side, whether it is met; None where the rater left it open.
        comment: Free text; may be empty.
        at: When it was given, ISO 8601 with a time zone.
    """

    test: str
    rater: str
    item: str
    choice: Choice
    marks: Mapping[str, Mapping[Side, bool | None]]
    comment: str
    at: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one vote of: (test, rater, item)."""
        return self.test, self.rater, self.item

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, which `read_rating` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "marks": {criterion: dict(sides) for criterion, sides in self.marks.items()}
        }


def open_marks(criteria: Iterable[str] = CRITERIA) -> dict[str, dict[Side, bool | None]]:
    """Returns marks that are all left open.

    Args:
        criteria: What is marked.
    """
    return {criterion: dict.fromkeys(SIDES, None) for criterion in criteria}


def rater_problems(name: object, where: str) -> list[Problem]:
    """Says what is wrong with a rater's name.

    Args:
        name: What was given.
        where: Where it stands.

    Returns:
        One problem, or none.
    """
    if not isinstance(name, str) or not name.strip() or name != name.strip():
        what = "must be a name without spaces around it"
    elif len(name) > MOST_NAME_CHARACTERS:
        what = f"must be a name of at most {MOST_NAME_CHARACTERS} characters"
    elif any(unicodedata.category(character)[0] == "C" or character in "/\\<>\"'&" for character in name):
        what = "must be a name without control characters, slashes, quotes, <, > and &"
    elif name.startswith("."):
        what = "must be a name that doesn't begin with a dot"
    else:
        return []
    return [Problem(where, f"{what}, but is {json.dumps(name, ensure_ascii=True, default=repr)[:80]}.")]


def read_rating(value: object, where: str, criteria: Collection[str] = CRITERIA) -> Rating:
    """Makes a rating of plain values; nothing is filled in, turned into another type, or overlooked.

    Args:
        value: What a page or a file sent.
        where: Where it stands, for messages.
        criteria: What is marked; every one must be there.

    Returns:
        The rating.

    Raises:
        InputError: It isn't one; all that is wrong with it.
    """
    names = [field.name for field in fields(Rating)]
    if not isinstance(value, dict):
        raise InputError([Problem(where, f"must be an object with {', '.join(names)}, but is {_kind(value)}.")])
    problems = [Problem(where, f"`{name}` is missing.") for name in names if name not in value]
    problems += [
        Problem(where, f"`{_spelled(str(name))}` is no part of a rating.") for name in value if name not in names
    ]
    given = {name: value[name] for name in names if name in value}
    for name in {"test", "item"} & set(given):
        if not isinstance(given[name], str) or not given[name]:
            problems.append(Problem(where, f"`{name}` must be text, but is {_kind(given[name])}."))
    if "rater" in given:
        problems += rater_problems(given["rater"], f"{where} `rater`")
    if given.get("choice", "tie") not in CHOICES:
        problems.append(Problem(where, f"`choice` must be left, right or tie, but is {_shown(given['choice'])}."))
    problems += _comment_problems(given.get("comment", ""), where)
    problems += _time_problems(given.get("at"), where) if "at" in given else []
    problems += _marks_problems(given["marks"], where, criteria) if "marks" in given else []
    raise_all(problems)
    return Rating(**given)


def read_rating_file(path: Path, criteria: Collection[str] = CRITERIA) -> tuple[Rating, ...]:
    """Reads a file that a rater sent back: all of it or nothing.

    Args:
        path: The file.
        criteria: What is marked.

    Returns:
        Its votes, in the file's order.

    Raises:
        InputError: It can't be read, is no whole file of ratings, or holds faulty votes; all that is wrong with it.
    """
    value = _read_json(path)
    if not isinstance(value, dict) or value.get("kind") != FILE_KIND or not isinstance(value.get("ratings"), list):
        what = f'must be a file of ratings ({{"kind": "{FILE_KIND}", "ratings": [...]}}), but is something else.'
        raise InputError([Problem(str(path), what, "Send the file that the rating page saved.")])
    problems: list[Problem] = []
    ratings: list[Rating] = []
    for number, one in enumerate(value["ratings"], start=1):
        try:
            ratings.append(read_rating(one, f"{path}: rating {number}", criteria))
        except InputError as error:
            problems += error.problems
    raise_all(problems)
    return tuple(ratings)


def stray_problems(rating: Rating, *, test: str, items: Collection[str], where: str) -> list[Problem]:
    """Says why a vote doesn't belong to a test.

    Args:
        rating: The vote.
        test: The test's id.
        items: The ids of its items.
        where: Where the vote stands.

    Returns:
        One problem, or none.
    """
    if rating.test != test:
        return [Problem(where, f"belongs to another test ({_spelled(rating.test)}), this one is {test}.")]
    if rating.item not in items:
        return [Problem(where, f"is about the item {_spelled(rating.item)}, which this test doesn't have.")]
    return []


def _read_json(path: Path) -> object:
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise InputError([Problem(str(path), f"must be smaller than {MOST_FILE_BYTES // 1_000_000} MB.")])
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError([Problem(str(path), f"can't be read: {error.strerror}.")]) from None
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        what = f"is no whole JSON file{place}: it may be cut off."
        raise InputError([Problem(str(path), what, "Let the rater save and send it again.")]) from None


def _comment_problems(comment: object, where: str) -> list[Problem]:
    if not isinstance(comment, str):
        return [Problem(where, f"`comment` must be text, but is {_kind(comment)}.")]
    if len(comment) > MOST_COMMENT_CHARACTERS:
        most = f"{MOST_COMMENT_CHARACTERS:,}"
        return [Problem(where, f"`comment` must have at most {most} characters, but has {len(comment):,}.")]
    return []


def _time_problems(at: object, where: str) -> list[Problem]:
    try:
        good = isinstance(at, str) and datetime.fromisoformat(at).tzinfo is not None
    except ValueError:
        good = False
    what = "must be a time with its zone, such as 2026-01-31T12:00:00+00:00, but is"
    return [] if good else [Problem(where, f"`at` {what} {_shown(at)}.")]


def _marks_problems(marks: object, where: str, criteria: Collection[str]) -> list[Problem]:
    if not isinstance(marks, dict) or set(marks) != set(criteria):
        return [Problem(where, f"`marks` must hold {', '.join(criteria)} and nothing else.")]
    sides = [one if isinstance(one, dict) and set(one) == set(SIDES) else {"": ""} for one in marks.values()]
    if any(mark is not None and not isinstance(mark, bool) for one in sides for mark in one.values()):
        return [Problem(where, "`marks` must say true, false or null for left and right of each criterion.")]
    return []


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _spelled(name: str) -> str:
    """A name out of a file as any terminal can show it."""
    return json.dumps(name[:40])[1:-1]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, default=repr)[:60]
