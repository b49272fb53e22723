"""The token report adds up: bins, shares, policies, steps."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlab.check.report import TokenReport
from ftlab.check.tokens import Schedule, find_tokens, measure
from ftlab.data.row import Row, SpannedRow

ROW = Row(0, "rows.jsonl:1", text="x")
SCHEDULE = Schedule(batch_rows=4, micro_batch_tokens=64, epochs=2, max_steps=None)


def report(
    lengths: list[int], *, supervised: list[int] | None = None, limit: int | None = None, schedule: Schedule = SCHEDULE
) -> TokenReport:
    over = [
        SpannedRow(number, list(range(length)), ((length // 2, length),))
        for number, length in enumerate(lengths)
        if limit is not None and length > limit
    ]
    return measure(
        {"train": np.array(lengths), "validation": np.array([7])},
        np.array(supervised or [length - length // 2 for length in lengths]),
        over,
        ROW,
        tokenizer="tiny",
        limit=limit,
        schedule=schedule,
        epoch_rows=len(lengths),
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60))
def test_every_row_stands_in_one_bin(lengths: list[int]) -> None:
    bins = report(lengths).histogram
    assert sum(count for _, _, count in bins) == len(lengths)
    for first, last, count in bins:
        assert count == sum(first <= length <= last for length in lengths)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(bins))
    assert len(bins) <= 20


def test_few_long_rows_share_the_last_bin() -> None:
    bins = report([*range(20, 220), 4000]).histogram
    assert bins[-1][1:] == (4000, 1)
    assert bins[0][1] - bins[0][0] < 20


def test_steps_and_epochs_follow_the_schedule() -> None:
    found = report([10] * 10)
    assert (found.steps_per_epoch, found.total_steps, found.epochs) == (3, 6, 2.0)
    stopped = report([10] * 10, schedule=Schedule(4, 64, 2, max_steps=9))
    assert (stopped.total_steps, stopped.epochs) == (9, 3.0)


def test_padding_is_what_rows_lack_to_the_longest_of_their_micro_batch() -> None:
    found = report([8, 8, 8, 16])
    assert found.padded_full == pytest.approx(40 / 64)
    assert found.padded_micro_batches == found.packed_micro_batches == 1
    assert found.packed_full == pytest.approx(40 / 64)


def test_policies_account_for_every_token() -> None:
    lengths = [10, 20, 50, 90]
    found = {policy.policy: policy for policy in report(lengths, limit=40).policies}
    assert list(found) == ["error", "drop", "truncate", "split"]
    assert (found["error"].rows, found["error"].lost_tokens) == (0, 170)
    assert (found["drop"].rows, found["drop"].tokens, found["drop"].lost_supervised_tokens) == (2, 30, 25 + 45)
    # Of the row of 90 the first 40 tokens hold no answer, so it is left out; of that of 50 they hold 15 of 25.
    assert (found["truncate"].rows, found["truncate"].tokens) == (3, 70)
    assert found["truncate"].lost_supervised_tokens == 10 + 45
    assert found["split"].lost_supervised_tokens == 0
    assert report(lengths, limit=90).policies == ()


def test_whole_set_findings_come_at_their_bounds() -> None:
    def codes(found: TokenReport) -> list[str]:
        return [finding.code for finding in find_tokens(found, [], "error")]

    many = Schedule(1, 64, 1, max_steps=20)
    assert codes(report([100] * 20, supervised=[5] * 20, schedule=many)) == []
    assert codes(report([100] * 20, supervised=[4] * 20, schedule=many)) == ["FT303"]
    assert codes(report([10], schedule=Schedule(1, 64, 1, max_steps=19))) == ["FT304"]


def test_long_rows_are_errors_or_told_by_the_policy() -> None:
    found = report([10] * 100, limit=8)
    first = next(find_tokens(found, [(ROW, 10)], "error"))
    assert (first.code, first.where) == ("FT301", "rows.jsonl:1")
    assert first.what == "the row is 10 tokens long, but at most 8 are allowed."
    assert next(find_tokens(found, [(ROW, 10)], "split")).code == "FT302"
