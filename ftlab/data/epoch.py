"""The order of rows in an epoch, over one source or several: a function of rows, seed and epoch alone.

A source gives a fixed number of rows to each epoch (`EpochPart.take`). Epoch after epoch these are the next ones of an
endless row of permutations of the source: where an epoch takes half of it, two epochs see all of it; where it takes
more than all, every row comes before any comes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def _chosen(part: EpochPart, number: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The places that a source gives to an epoch, ascending."""
    if part.take == part.rows:
        return np.arange(part.start, part.start + part.rows)
    first = epoch * part.take
    passes = range(first // part.rows, (first + part.take - 1) // part.rows + 1)
    endless = np.concatenate([np.random.default_rng([seed, turn, number, 1]).permutation(part.rows) for turn in passes])
    begin = first - passes[0] * part.rows
    return np.sort(endless[begin : begin + part.take]) + part.start
