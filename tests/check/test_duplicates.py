"""Repeated rows are found once each, leaks between splits above all; rows that only look alike are left alone."""

import random
from collections.abc import Mapping, Sequence
from itertools import count

import pytest

from ftlab.check.codes import CODES
from ftlab.check.duplicates import find_duplicates
from ftlab.data.row import Message, Row
from ftlab.data.source import read_splits

_QUESTION = "How long may a customer return a winter coat that was bought in one of our shops?"
_ANSWER = "Thirty days with the receipt; without it we hand out a voucher for the price of the day."
_CHINESE_QUESTION = "什么是复利效应？请用简单的语言向客户说明它的含义。"
_CHINESE_ANSWER = "复利效应是指利息也会产生利息，随着时间的推移，本金和利息一起增长，收益会越来越多。"


def _rows(split: str, *pairs: tuple[str, str], first: int = 0) -> list[Row]:
    ids = count(first)
    return [
        Row(number, f"{split}.jsonl:{number - first + 1}", (Message("user", question), Message("assistant", answer)))
        for number, (question, answer) in zip(ids, pairs, strict=False)
    ]


def _found(splits: Mapping[str, Sequence[Row]], *, near: bool = True) -> list[tuple[str, int | None, tuple[int, ...]]]:
    findings = list(find_duplicates(splits, near=near, threshold=0.8))
    assert all(finding.code in CODES for finding in findings)
    return [(finding.code, finding.row_id, finding.others) for finding in findings]


def test_a_hundred_copies_are_99_findings_against_the_first() -> None:
    rows = _rows("train", *[(_QUESTION, _ANSWER)] * 100)
    assert _found({"train": rows}) == [("FT201", number, (0,)) for number in range(1, 100)]


@pytest.mark.parametrize(
    "copy",
    [
        (f"  {_QUESTION.upper()}\n", _ANSWER),
        (_QUESTION.replace(" ", "\u00a0\t"), _ANSWER),
        (_QUESTION, _ANSWER.replace("fi", "ﬁ").replace("a", "ａ")),
    ],
)
def test_case_spacing_and_unicode_form_make_no_difference(copy: tuple[str, str]) -> None:
    (finding,) = find_duplicates({"train": _rows("train", (_QUESTION, _ANSWER), copy)}, near=False)
    assert (finding.code, finding.where, finding.others) == ("FT201", "train.jsonl:2", (0,))
    assert "train.jsonl:1, but for case" in finding.what


def test_the_border_between_prompt_and_answer_counts() -> None:
    rows = _rows("train", ("a b", "c"), ("a", "b c"))
    assert _found({"train": rows}, near=False) == []


def test_the_roles_count() -> None:
    rows = [
        Row(0, "a:1", (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"))),
        Row(1, "a:2", (Message("user", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"))),
    ]
    assert _found({"train": rows}, near=False) == []


def test_plain_text_is_compared_too() -> None:
    rows = [
        Row(number, f"a:{number + 1}", text=text) for number, text in enumerate([_ANSWER, _QUESTION, f"{_ANSWER} "])
    ]
    assert _found({"train": rows}) == [("FT201", 2, (0,))]


@pytest.mark.parametrize(
    ("question", "answer", "copy"),
    [
        (_QUESTION, _ANSWER, (_QUESTION.replace("?", " please?"), _ANSWER)),
        (_QUESTION, _ANSWER, (_QUESTION, _ANSWER.replace("hand out", "give"))),
        (_CHINESE_QUESTION, _CHINESE_ANSWER, (_CHINESE_QUESTION, _CHINESE_ANSWER.replace("越来越多", "越来越大"))),
    ],
)
def test_a_word_changed_makes_a_near_duplicate(question: str, answer: str, copy: tuple[str, str]) -> None:
    rows = _rows("train", (question, answer), ("Who cooks?", "The cook."), copy)
    found = _found({"train": rows})
    assert ("FT202", 2, (0,)) in found
    assert {code for code, _, _ in found} <= {"FT202", "FT203"}


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        (((_QUESTION, _ANSWER), ("Our shops sold me a coat. Can I bring it back?", _ANSWER)), "another question"),
        (
            (
                (
                    "What does the Meadow Account cost a month?",
                    "The Meadow Account, code LH-G1, costs 2 euros a month.",
                ),
                (
                    "What does the Meadow Account cost a month?!",
                    "The Meadow Account, code LH-G1, costs 3 euros a month.",
                ),
            ),
            "another number",
        ),
        (((_CHINESE_QUESTION, _CHINESE_ANSWER), (_CHINESE_QUESTION[::-1], _CHINESE_ANSWER[::-1])), "another order"),
    ],
)
def test_rows_that_only_look_alike_are_no_near_duplicates(pairs: tuple[tuple[str, str], ...], why: str) -> None:
    assert _found({"train": _rows("train", *pairs)}) == [], why


def test_long_instructions_that_all_rows_share_make_no_near_duplicates() -> None:
    instruction = "You are a careful clerk. Read the review below and say whether the customer is happy with us. " * 5
    draw = random.Random(2)
    things = ["".join(draw.choices("abcdefghijklmno", k=7)) for _ in range(120)]
    rows = _rows("train", *[(f"{instruction}\nThe {thing} that I got is fine.", "happy") for thing in things])
    assert _found({"train": rows}) == []


def test_what_is_left_without_near_duplicates_has_none() -> None:
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(400)]
    pairs = [(" ".join(draw.choices(words, k=12)), " ".join(draw.choices(words, k=40))) for _ in range(300)]
    for _ in range(100):
        question, answer = draw.choice(pairs)
        pairs.append((question, f"{answer} {draw.choice(words)}"))
    rows = _rows("train", *pairs)
    dropped = {row_id for code, row_id, _ in _found({"train": rows}) if code == "FT202"}
    assert dropped == set(range(300, 400))
    assert [x for x in _found({"train": [row for row in rows if row.id not in dropped]}) if x[0] == "FT202"] == []


def test_one_question_with_different_answers_is_a_conflict_with_the_first() -> None:
    rows = _rows(
        "train", ("May I pay?", "Yes."), ("may I  pay?", "No, never."), ("May I pay?", "Yes. "), ("Who?", "I.")
    )
    assert _found({"train": rows}, near=False) == [("FT201", 2, (0,)), ("FT203", 1, (0,))]


def test_leaks_are_named_at_the_row_that_is_trained_on() -> None:
    train = _rows("train", ("Own?", "Yes."), (_QUESTION, _ANSWER), (_QUESTION, _ANSWER), ("Same question?", "One."))
    validation = _rows("validation", (_QUESTION, _ANSWER), ("Same question?", "Two."), first=10)
    test = _rows("test", (_QUESTION.lower(), _ANSWER), ("Another?", "Three."), first=20)
    findings = list(find_duplicates({"train": train, "validation": validation, "test": test}))
    assert [(finding.code, finding.row_id, finding.others) for finding in findings] == [
        ("FT211", 10, (20,)),
        ("FT211", 1, (20,)),
        ("FT211", 2, (20,)),
        ("FT213", 3, (11,)),
    ]
    assert "test.jsonl:1 of the test split" in findings[1].what
    assert "data.validation_path and data.test_path" in findings[3].fix  # one file has no sides to keep it on


def test_a_near_leak_is_found_in_the_other_split() -> None:
    train = _rows("train", (_QUESTION, _ANSWER.replace("hand out", "give")))
    validation = _rows("validation", (_QUESTION, _ANSWER), first=10)
    assert ("FT212", 0, (10,)) in _found({"train": train, "validation": validation})


def test_the_same_rows_give_the_same_findings() -> None:
    draw = random.Random(5)
    pairs = [(_QUESTION, _ANSWER + " so" * draw.randint(0, 2)) for _ in range(50)]
    rows = _rows("train", *pairs)
    assert list(find_duplicates({"train": rows})) == list(find_duplicates({"train": rows}))


def test_odd_rows_do_not_stop_the_search() -> None:
    rows = _rows("train", ("", "x"), ("\ud800", "\udfff"), ("a", ""), ("\x00", "\U0010ffff" * 3))
    assert _found({"train": rows, "validation": [], "test": []}) == []
    assert _found({"train": []}) == []


def test_the_demo_holds_no_repeated_row() -> None:
    splits = read_splits()
    rows = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    assert list(find_duplicates(rows, threshold=0.8)) == []
