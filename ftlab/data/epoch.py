"""The order of rows in an epoch, over one source or several: a function of rows, seed and epoch alone.

A source gives a fixed number of rows to each epoch (`EpochPart.take`). Epoch after epoch these are the next ones of an
endless row of permutations of the source: where an epoch takes half of it, two epochs see all of it; where it takes
more than all, every row comes before any comes again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlab.data.row import Layout


@dataclass(frozen=True, slots=True)
class EpochPart:
    """A source's part in an epoch.

    Attributes:
        name: The source's name.
        start: Its first place among the training rows.
        rows: How many rows it has there, one after another; at least 1.
        take: How many of them an epoch takes, at least 1; more than `rows` repeats some.
    """

    name: str
    start: int
    rows: int
    take: int


def epoch_order(parts: Sequence[EpochPart], seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the places of an epoch's rows in the order in which they are trained on, shape [Σ take], int64.

    Args:
        parts: What each source gives.
        seed: The run's seed.
        epoch: The epoch's number, from 0.
    """
    chosen = np.concatenate([_chosen(part, number, seed, epoch) for number, part in enumerate(parts)])
    keys = np.random.default_rng([seed, epoch]).random(len(chosen))
    return chosen[np.argsort(keys, kind="stable")]


def step_order(
    parts: Sequence[EpochPart], *, seed: int, batch_rows: int, steps: int, start_step: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Yields the places of the rows of each optimizer step, over all ranks; the last step of an epoch may hold fewer.

    Args:
        parts: What each source gives to an epoch.
        seed: The run's seed.
        batch_rows: Rows of a step.
        steps: Optimizer steps of the whole run.
        start_step: Steps to leave out at the beginning.
    """
    per_epoch = -(-sum(part.take for part in parts) // batch_rows)
    order = None
    for step in range(start_step, steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0 or order is None:
            order = epoch_order(parts, seed, epoch)
        yield order[place * batch_rows : (place + 1) * batch_rows]


def most_tokens(
    steps: Iterable[NDArray[np.int64]], lengths: NDArray[np.int64], ranks: int = 1, layout: Layout = "packed"
) -> int:
    """Returns the tokens of the largest step on any rank, padding counted where rows are padded.

    Args:
        steps: Places of the rows of each step.
        lengths: Tokens of each row.
        ranks: A step's rows are dealt out in turn to so many.
        layout: How rows share a forward pass.
    """
    shares = (lengths[places[rank::ranks]] for places in steps for rank in range(ranks))
    if layout == "padded":
        return max(int(share.max(initial=0)) * len(share) for share in shares)
    return max(int(share.sum()) for share in shares)


def _chosen(part: EpochPart, number: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The places that a source gives to an epoch, ascending."""
    if part.take == part.rows:
        return np.arange(part.start, part.start + part.rows)
    first = epoch * part.take
    passes = range(first // part.rows, (first + part.take - 1) // part.rows + 1)
    endless = np.concatenate([np.random.default_rng([seed, turn, number, 1]).permutation(part.rows) for turn in passes])
    begin = first - passes[0] * part.rows
    return np.sort(endless[begin : begin + part.take]) + part.start
