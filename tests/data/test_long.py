"""Rows over the limit: counted, cut or split without teaching a false end."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.data.chat import Encoder
from ftlab.data.long import LongRows, account, fit
from ftlab.data.row import Row, SpannedRow
from tests.data.test_chat import encoder, row


@st.composite
def long_rows(draw: st.DrawFn) -> tuple[SpannedRow, int]:
    length = draw(st.integers(3, 60))
    edges = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    spans = tuple(zip(edges[::2], edges[1::2], strict=False))
    return SpannedRow(7, list(range(100, 100 + length)), spans), draw(st.integers(2, length - 1))


def targets(row: SpannedRow) -> list[int]:
    return [row.ids[place] for start, end in row.spans for place in range(max(start, 1), end)]


@given(long_rows())
def test_split_trains_every_target_once_in_parts_within_the_limit(given_row: tuple[SpannedRow, int]) -> None:
    row, limit = given_row
    parts = fit(row, limit, "split", Counter())
    assert all(len(part) <= limit and part.id == row.id for part in parts)
    assert [target for part in parts for target in targets(part)] == targets(row)
    for part in parts:
        first = row.ids.index(part.ids[0])
        assert list(part.ids) == row.ids[first : first + len(part)]


def test_part_behind_the_first_begins_with_a_quarter_of_the_limit_without_loss() -> None:
    parts = fit(SpannedRow(0, list(range(20)), ((2, 20),)), 8, "split", Counter())
    assert [list(part.ids) for part in parts] == [list(range(8)), list(range(6, 14)), list(range(12, 20))]
    assert [part.spans for part in parts] == [((2, 8),), ((2, 8),), ((2, 8),)]


@given(long_rows())
def test_truncated_row_is_the_beginning_of_the_row(given_row: tuple[SpannedRow, int]) -> None:
    row, limit = given_row
    for part in fit(row, limit, "truncate", Counter()):
        assert list(part.ids) == row.ids[:limit]
        assert targets(part) == [target for target in targets(row) if target < 100 + limit]


def test_truncated_answer_does_not_teach_stopping_and_split_does_in_its_last_part_only() -> None:
    example = row("What?", "no " * 60)
    whole, tokenizer = encoder("chatml")
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    limit = len(whole.encode(example)) // 3

    def stops(policy: LongRows) -> list[bool]:
        rows = encoder("chatml", max_row_tokens=limit, long_rows=policy)[0].encode_all([example])
        return [bool((one.ids[one.supervised] == stop).any()) for one in rows]

    assert stops("truncate") == [False]
    split = stops("split")
    assert len(split) > 2
    assert split == [False] * (len(split) - 1) + [True]


@pytest.mark.parametrize("policy", ["truncate", "split"])
def test_row_whose_supervised_tokens_are_all_cut_away_is_left_out_and_counted(policy: LongRows) -> None:
    counts: Counter[str] = Counter()
    answer = ((9, 10),) if policy == "truncate" else ()
    assert fit(SpannedRow(0, list(range(10)), answer), 4, policy, counts) == []
    assert account(counts, policy, 4)[-1] == "1 row of them left out: no supervised token was left in 4 tokens."


def test_what_became_of_long_rows_is_counted_and_said() -> None:
    counts: Counter[str] = Counter()
    for _ in range(3):
        fit(SpannedRow(0, list(range(20)), ((2, 20),)), 8, "split", counts)
    assert account(counts, "split", 8) == [
        "3 rows longer than 8 tokens (data.long_rows=split): 3 split into 9 parts; each part behind a row's first "
        "begins with 2 tokens of context without loss."
    ]
    dropped: Counter[str] = Counter()
    fit(SpannedRow(0, list(range(20)), ((2, 20),)), 8, "drop", dropped)
    assert account(dropped, "drop", 8) == ["1 row longer than 8 tokens (data.long_rows=drop): left out."]
    assert account(Counter(), "drop", 8) == []


def test_plain_text_is_split_with_all_its_tokens() -> None:
    made, tokenizer = encoder("chatml", max_row_tokens=16, long_rows="split")
    text = Row(0, "t:1", text="a long story about nothing at all, told twice over")
    whole = Encoder(tokenizer, stop_ids=made.stop_ids).encode(text)
    parts = made.encode_all([text])
    assert sum(part.targets_count for part in parts) == whole.targets_count
