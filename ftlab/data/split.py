"""Deals rows out to training, validation and test by a seeded share.

A row's place is a hash of the seed and its content: it stays where it is when rows are added, removed or reordered,
and equal rows never end up on both sides, nor rows that differ in case, white space or Unicode form alone. In: the
rows' digests. Out: their places in the three parts. Files aren't known here, nor the rows themselves: a digest takes
8 bytes.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ftlab.data.normal import normal
from ftlab.data.row import Row

Places = NDArray[np.int64]
"""Places of rows in a data set, ascending."""


def digest(row: Row, seed: int) -> int:
    """Returns 64 bits that depend on the seed and on the texts of a row alone: its place, when rows are dealt out."""
    turns = (f"{turn.role}\x1f{turn.content}{turn.reasoning}{turn.tool_calls}" for turn in row.messages)
    content = "\x1e".join(map(normal, (row.text, *turns)))
    return int.from_bytes(hashlib.blake2b(f"{seed}\x1e{content}".encode(), digest_size=8).digest(), "big")


def deal(digests: NDArray[np.uint64], *, validation: float, test: float) -> tuple[Places, Places, Places]:
    """Deals rows out.

    Each side with a share above 0 gets at least one row (and its equals), validation first, as long as one is left
    for training.

    Args:
        digests: The `digest` of each row, shape [R].
        validation: Share for validation, 0 to 1.
        test: Share for test, 0 to 1.

    Returns:
        The places of training, validation and test rows in `digests`.
    """
    contents, first, content_of_row = np.unique(digests, return_index=True, return_inverse=True)
    place = contents / 2.0**64  # in [0, 1)
    spare = max(len(contents) - 1, 0)
    held_validation = min(_count(place, 0.0, validation), spare)
    held_test = min(_count(place, validation, validation + test), spare - held_validation)
    by_place = np.lexsort((first, place))
    side = np.zeros(len(contents), np.int8)
    side[by_place[: held_validation + held_test]] = 2
    side[by_place[:held_validation]] = 1
    side_of_row = side[content_of_row]
    train, validation_rows, test_rows = (np.flatnonzero(side_of_row == number) for number in range(3))
    return train, validation_rows, test_rows


def first_share(digests: NDArray[np.uint64], share: float) -> Places:
    """Chooses a share of rows; what a smaller share chooses is among what a larger one does.

    Args:
        digests: The `digest` of each row, shape [R].
        share: More than 0, at most 1.

    Returns:
        The places of the chosen rows, at least 1 where there are any.
    """
    wanted = max(1, round(share * len(digests)))
    return np.sort(np.argsort(digests, kind="stable")[:wanted])


def _count(place: NDArray[np.float64], low: float, high: float) -> int:
    """How many contents lie in [low, high): at least 1 where the range isn't empty."""
    return max(int(((low <= place) & (place < high)).sum()), 1) if high > low else 0
