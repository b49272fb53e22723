"""Turns out of turn are found, and usual conversations are left alone."""

from typing import Literal

import pytest

from ftlab.check.order import find_order
from ftlab.data.row import Message, Row

TrainOn = Literal["answer", "assistant", "each", "text"]


def codes(roles: str, train_on: TrainOn = "answer") -> list[str]:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    row = Row(3, "rows.jsonl:4", tuple(Message(names[role], "x") for role in roles))
    return [finding.code for finding in find_order([row], train_on=train_on)]


@pytest.mark.parametrize("roles", ["ua", "sua", "uaua", "uatta", "suata"])
def test_usual_conversation_has_no_finding(roles: str) -> None:
    assert codes(roles) == []


@pytest.mark.parametrize(
    ("roles", "train_on", "expected"),
    [
        ("u", "answer", ["FT114"]),
        ("uau", "answer", ["FT114"]),
        ("uau", "text", []),
        ("a", "answer", ["FT115"]),
        ("aua", "answer", []),
        ("aua", "assistant", ["FT115"]),
        ("aua", "each", ["FT115"]),
        ("uua", "answer", ["FT116"]),
        ("uaa", "answer", ["FT116"]),
        ("usa", "answer", ["FT117"]),
        ("ssua", "answer", ["FT117"]),
        ("uusau", "answer", ["FT114", "FT116", "FT117"]),
    ],
)
def test_roles_out_of_turn_are_found(roles: str, train_on: TrainOn, expected: list[str]) -> None:
    assert codes(roles, train_on) == expected


def test_plain_text_has_no_turns() -> None:
    assert not list(find_order([Row(0, "rows.jsonl:1", text="x")], train_on="answer"))
