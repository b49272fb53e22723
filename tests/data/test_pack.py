"""Packing: every row once, the budget held, no target across a border."""

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlab.data.pack import collate, plan_micro_batches
from ftlab.data.row import IGNORED, EncodedRow, Layout
from tests.reference.packing import fewest_bins, targets_of

LAYOUTS: tuple[Layout, ...] = ("packed", "padded")
PAD = 99


def encoded(row_id: int, ids: list[int], supervised: list[bool]) -> EncodedRow:
    return EncodedRow(row_id, torch.tensor(ids), torch.tensor(supervised))


@st.composite
def encoded_rows(draw: st.DrawFn) -> list[EncodedRow]:
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    rows = []
    for row_id, length in enumerate(lengths):
        ids = draw(st.lists(st.integers(0, 98), min_size=length, max_size=length))
        supervised = draw(st.lists(st.booleans(), min_size=length, max_size=length))
        rows.append(encoded(row_id, ids, supervised))
    return rows


lengths_and_budget = (st.lists(st.integers(1, 60), max_size=40), st.integers(1, 64))


def cost(indices: list[int], lengths: list[int], layout: Layout) -> int:
    of_rows = [lengths[index] for index in indices]
    return sum(of_rows) if layout == "packed" else len(of_rows) * max(of_rows)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(*lengths_and_budget)
def test_plan_holds_every_row_once_within_the_budget(layout: Layout, lengths: list[int], budget: int) -> None:
    plan = plan_micro_batches(lengths, budget, layout)
    assert sorted(index for indices in plan for index in indices) == list(range(len(lengths)))
    for indices in plan:
        assert indices == sorted(indices)
        assert cost(indices, lengths, layout) <= budget or len(indices) == 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), max_size=7), st.integers(4, 16))
def test_packed_plan_is_near_the_fewest_bins(lengths: list[int], budget: int) -> None:
    best = fewest_bins(lengths, budget)
    assert len(plan_micro_batches(lengths, budget, "packed")) <= 11 / 9 * best + 6 / 9


def test_packed_plan_is_over_97_percent_full_on_instruction_lengths() -> None:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.exp(5.2 + 0.8 * torch.randn(2000, generator=generator)).long().clamp(16, 2048).tolist()
    plan = plan_micro_batches(lengths, 4096, "packed")
    assert sum(lengths) / (4096 * len(plan)) > 0.97


def test_best_fit_puts_a_row_where_the_least_room_is_left() -> None:
    assert plan_micro_batches([7, 6, 4, 3], 10, "packed") == [[0, 3], [1, 2]]


def test_padded_plan_puts_neighbours_in_length_together() -> None:
    assert plan_micro_batches([2, 10, 3, 9], 20, "padded") == [[1, 3], [0, 2]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_longer_than_the_budget_stands_alone(layout: Layout) -> None:
    plan = plan_micro_batches([3, 50, 4], 10, layout)
    assert [1] in plan
    assert len(plan) == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plan_of_no_rows_is_empty(layout: Layout) -> None:
    assert plan_micro_batches([], 10, layout) == []


def test_budget_below_one_token_is_refused() -> None:
    with pytest.raises(ValueError, match="`budget` must be at least 1 token, but is 0"):
        plan_micro_batches([1], 0, "packed")


@given(encoded_rows())
def test_packed_rows_stand_end_to_end_with_their_own_targets(rows: list[EncodedRow]) -> None:
    micro = collate(rows, "packed", PAD)
    assert micro.input_ids[0].tolist() == [token for row in rows for token in row.ids.tolist()]
    assert micro.targets[0].tolist() == [target for row in rows for target in targets_of(row)]
    assert micro.position_ids[0].tolist() == [place for row in rows for place in range(len(row))]
    borders = [0]
    for row in rows:
        borders.append(borders[-1] + len(row))
    assert micro.cu_seqlens is not None
    assert micro.cu_seqlens.tolist() == borders
    assert micro.cu_seqlens.dtype == torch.int32
    assert micro.attention_mask is None
    assert micro.max_row_tokens == max(map(len, rows))
    assert micro.row_ids == tuple(row.id for row in rows)


@given(encoded_rows())
def test_padded_rows_stand_below_each_other_with_their_own_targets(rows: list[EncodedRow]) -> None:
    micro = collate(rows, "padded", PAD)
    assert micro.cu_seqlens is None
    assert micro.attention_mask is not None
    assert micro.attention_mask.sum(1).tolist() == list(map(len, rows))
    for line, row in enumerate(rows):
        padding = micro.max_row_tokens - len(row)
        assert micro.input_ids[line].tolist() == row.ids.tolist() + [PAD] * padding
        assert micro.targets[line].tolist() == targets_of(row) + [IGNORED] * padding
        assert micro.attention_mask[line].tolist() == [1] * len(row) + [0] * padding
        assert micro.position_ids[line, : len(row)].tolist() == list(range(len(row)))


@given(encoded_rows())
def test_both_layouts_hold_the_same_targets(rows: list[EncodedRow]) -> None:
    count = sum(row.targets_count for row in rows)
    assert [int((collate(rows, layout, PAD).targets != IGNORED).sum()) for layout in LAYOUTS] == [count, count]


def test_first_token_of_a_packed_row_is_never_a_target() -> None:
    rows = [encoded(0, [1, 2], [True, True]), encoded(1, [3, 4], [True, True])]
    assert collate(rows, "packed", PAD).targets.tolist() == [[2, IGNORED, 4, IGNORED]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_of_token_numbers_are_int64(layout: Layout) -> None:
    micro = collate([encoded(0, [1, 2, 3], [False, True, True])], layout, PAD)
    assert {micro.input_ids.dtype, micro.position_ids.dtype, micro.targets.dtype} == {torch.int64}
    assert micro.input_ids.shape == micro.position_ids.shape == micro.targets.shape == (1, 3)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="`rows` must hold at least one row"):
        collate([], "packed", PAD)


def instruction_lengths(count: int, seed: int) -> list[int]:
    """Log-normal lengths with a mean of about 250 tokens, at most 2,048."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.exp(5.2 + 0.8 * torch.randn(count, generator=generator)).long().clamp(16, 2048)
    return [int(length) for length in lengths]


def test_step_of_few_rows_takes_the_fewest_passes_of_about_equal_size() -> None:
    levels = []
    for seed in range(50):
        lengths = instruction_lengths(16, seed)
        plan = plan_micro_batches(lengths, 4096, "packed")
        assert len(plan) == -(-sum(lengths) // 4096)
        sizes = [cost(indices, lengths, "packed") for indices in plan]
        levels += [min(sizes) / max(sizes)] if len(sizes) > 1 else []
    assert len(levels) > 10
    assert sum(levels) / len(levels) > 0.95


def test_plan_of_many_rows_is_made_in_a_moment() -> None:
    began = time.process_time()
    plan = plan_micro_batches(instruction_lengths(100_000, 1), 4096, "packed")
    assert time.process_time() - began < 10
    assert len(plan) > 5000
