"""Lays encoded rows into micro-batches: which rows share a forward pass, and what that pass reads.

In: `EncodedRow`s of one optimizer step (or of a validation set) and a budget in tokens. Out: `MicroBatch`es.
Pure functions on the CPU; nothing here knows a model or a device.

Shape letters: B sequences, T tokens a sequence, R rows, N tokens of all rows.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heappop, heappush

import torch
from torch import Tensor

from ftlab.data.row import IGNORED, EncodedRow, Layout, MicroBatch


def plan_micro_batches(lengths: Sequence[int], budget: int, layout: Layout) -> list[list[int]]:
    """Chooses which rows share a micro-batch, so that few micro-batches are needed and none is over the budget.

    Where packed rows leave room in them (a step of few rows does: 16 of instruction length fill three quarters of
    4,096 tokens), the micro-batches are made about equally large: no pass is needed less or more, and the largest one
    needs less memory. A row that is longer than the budget gets a micro-batch of its own. Equal input gives equal
    output.

    Args:
        lengths: Tokens of each row.
        budget: The most tokens of one micro-batch. Packed: the sum of its rows. Padded: rows × the longest row.
        layout: How the rows will lie in it.

    Returns:
        The indices of the rows of each micro-batch: every index once, ascending in each.

    Raises:
        ValueError: The budget is less than 1.
    """
    if budget < 1:
        raise ValueError(f"`budget` must be at least 1 token, but is {budget}.")
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    if layout == "padded":
        plan = _by_length(longest_first, lengths, budget)
    else:
        plan = _best_fit(longest_first, lengths, budget)
        plan = _levelled(plan, longest_first, lengths, budget) or plan
    return [sorted(indices) for indices in plan]


def lengths(rows: Sequence[EncodedRow]) -> Sequence[int]:
    """Returns the tokens of each row; rows in a file know theirs without being read."""
    known = getattr(rows, "lengths", None)
    return [len(row) for row in rows] if known is None else known.tolist()  # type: ignore[no-any-return]


def collate(rows: Sequence[EncodedRow], layout: Layout, pad_id: int) -> MicroBatch:
    """Lays rows into the tensors of one forward pass; a target never belongs to another row than its position.

    Args:
        rows: At least one row, in the order in which they shall lie.
        layout: End to end (`packed`) or one below the other (`padded`).
        pad_id: The token on the places behind a row's end (padded only; masked and never a target).

    Returns:
        The micro-batch, on the CPU.

    Raises:
        ValueError: There is no row.
    """
    if not rows:
        raise ValueError("`rows` must hold at least one row, but is empty.")
    lengths = torch.tensor([len(row) for row in rows])
    ids_N = torch.cat([row.ids for row in rows])
    starts_R = lengths.cumsum(0) - lengths
    positions_N = torch.arange(ids_N.shape[0]) - starts_R.repeat_interleave(lengths)
    targets_N = _next_tokens(ids_N, torch.cat([row.supervised for row in rows]), positions_N)
    row_ids = tuple(row.id for row in rows)
    longest = int(lengths.max())
    if layout == "packed":
        cu_seqlens = torch.cat([starts_R, lengths.sum()[None]]).to(torch.int32)
        return MicroBatch(ids_N[None], positions_N[None], targets_N[None], row_ids, cu_seqlens, longest, None)
    filled_BT = torch.arange(longest) < lengths[:, None]
    return MicroBatch(
        input_ids=torch.full(filled_BT.shape, pad_id).masked_scatter_(filled_BT, ids_N),
        position_ids=torch.arange(longest).repeat(len(rows), 1),
        targets=torch.full(filled_BT.shape, IGNORED).masked_scatter_(filled_BT, targets_N),
        row_ids=row_ids,
        cu_seqlens=None,
        max_row_tokens=longest,
        attention_mask=filled_BT.long(),
    )


def _next_tokens(ids_N: Tensor, supervised_N: Tensor, positions_N: Tensor) -> Tensor:
    """The token behind each position, where that token is supervised and of the same row; else `IGNORED`."""
    targets_N = torch.full_like(ids_N, IGNORED)
    is_target_N = supervised_N & (positions_N > 0)
    targets_N[:-1] = torch.where(is_target_N[1:], ids_N[1:], IGNORED)
    return targets_N


def _best_fit(longest_first: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Best fit, longest first: each row goes where the least room is left behind it; of equal rooms, the first one's.

    O(rows × log budget): rooms are kept by their size, of which there are fewer than the budget has tokens.
    """
    bins: list[list[int]] = []
    sizes: list[int] = []  # of the rooms that there are, ascending
    bins_of_size: dict[int, list[int]] = {}  # heaps of bin numbers
    for index in longest_first:
        place = bisect_left(sizes, lengths[index])
        if place == len(sizes):
            bins.append([])
            room, number = budget, len(bins) - 1
        else:
            room = sizes[place]
            number = heappop(bins_of_size[room])
            if not bins_of_size[room]:
                del sizes[place], bins_of_size[room]
        bins[number].append(index)
        left = room - lengths[index]
        if left > 0:
            if left not in bins_of_size:
                insort(sizes, left)
            heappush(bins_of_size.setdefault(left, []), number)
    return bins


def _levelled(
    plan: list[list[int]], longest_first: Sequence[int], lengths: Sequence[int], budget: int
) -> list[list[int]] | None:
    """As many bins, each row where the fewest tokens are, longest first; None where that doesn't fit the budget."""
    loads = [(0, number) for number in range(len(plan))]
    bins: list[list[int]] = [[] for _ in plan]
    for index in longest_first:
        load, number = heappop(loads)
        if load and load + lengths[index] > budget:
            return None
        bins[number].append(index)
        heappush(loads, (load + lengths[index], number))
    return bins


def _by_length(longest_first: list[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Neighbours in length share a micro-batch, as many as fit when all are padded to the first one's length."""
    plan: list[list[int]] = []
    for index in longest_first:
        if plan and (len(plan[-1]) + 1) * lengths[plan[-1][0]] <= budget:
            plan[-1].append(index)
        else:
            plan.append([index])
    return plan
