"""Held-out rows: fixed by seed and content, never on two sides, never all."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ftlab.data import split
from ftlab.data.row import Message, Row


def deal(of: Sequence[Row], *, validation: float, test: float, seed: int) -> list[list[Row]]:
    digests = np.array([split.digest(row, seed) for row in of], np.uint64)
    return [[of[place] for place in side] for side in split.deal(digests, validation=validation, test=test)]


def rows(*texts: str) -> list[Row]:
    return [Row(number, f"rows.jsonl:{number + 1}", text=text) for number, text in enumerate(texts)]


def numbered(count: int) -> list[Row]:
    return rows(*(f"row {number}" for number in range(count)))


def texts(dealt: list[Row]) -> set[str]:
    return {row.text for row in dealt}


@given(st.lists(st.text(min_size=1, max_size=3), max_size=30), st.floats(0, 0.49), st.integers(0, 5))
def test_every_row_lies_on_one_side_and_equal_rows_on_the_same(contents: list[str], share: float, seed: int) -> None:
    given_rows = rows(*contents)
    train, validation, test = deal(given_rows, validation=share, test=share, seed=seed)
    assert sorted(row.id for side in (train, validation, test) for row in side) == list(range(len(contents)))
    assert not texts(train) & texts(validation)
    assert not texts(train) & texts(test)
    assert not texts(validation) & texts(test)
    assert train or not contents
    for side in (train, validation, test):
        assert [row.id for row in side] == sorted(row.id for row in side)


def test_shares_are_about_what_was_asked_for() -> None:
    train, validation, test = deal(numbered(5000), validation=0.1, test=0.2, seed=1)
    assert abs(len(validation) - 500) < 100
    assert abs(len(test) - 1000) < 150
    assert len(train) + len(validation) + len(test) == 5000


def test_rows_stay_on_their_side_when_others_are_added_or_moved() -> None:
    before = [texts(side) for side in deal(numbered(500), validation=0.1, test=0.1, seed=1)]
    after = [texts(side) for side in deal(numbered(900)[::-1], validation=0.1, test=0.1, seed=1)]
    assert all(old <= new for old, new in zip(before, after, strict=True))


def test_another_seed_holds_out_other_rows() -> None:
    first, second = (deal(numbered(500), validation=0.1, test=0.0, seed=seed)[1] for seed in (1, 2))
    assert texts(first) != texts(second)


def test_few_rows_give_one_to_each_side_as_far_as_they_go() -> None:
    for count, expected in ((0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))):
        dealt = deal(numbered(count), validation=0.001, test=0.001, seed=1)
        assert tuple(map(len, dealt)) == expected


def test_rows_that_differ_in_case_space_or_unicode_form_alone_stay_together() -> None:
    one = Row(0, "r:1", (Message("user", "What is it?"), Message("assistant", "A fee.")))
    two = Row(1, "r:2", (Message("user", "what  is it?"), Message("assistant", "\uff21 FEE.\n")))
    other = Row(2, "r:3", (Message("user", "What is it?"), Message("assistant", "A fine.")))
    assert split.digest(one, 1) == split.digest(two, 1) != split.digest(other, 1)


def test_no_share_holds_nothing_out() -> None:
    train, validation, test = deal(numbered(50), validation=0.0, test=0.0, seed=1)
    assert (len(train), validation, test) == (50, [], [])
    assert len(deal(numbered(50), validation=0.0, test=0.1, seed=1)[2]) > 0


def test_deal_is_the_same_in_every_version() -> None:
    train, validation, test = deal(numbered(20), validation=0.1, test=0.1, seed=1)
    assert ([row.id for row in validation], [row.id for row in test], len(train)) == ([19], [7], 18)
    turns = Row(0, "r:1", (Message("user", "Q"), Message("assistant", "A")))
    assert split.digest(turns, 1) == 4502640564845774191
