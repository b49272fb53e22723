"""Deals rows out to training, validation and test by a seeded share.

A row's place is a hash of the seed and its content: it stays where it is when rows are added, removed or reordered,
and equal rows never end up on both sides. In: rows. Out: three lists. Files aren't known here.
"""

import hashlib
from collections.abc import Sequence

from ftlab.data.row import Row


def deal(rows: Sequence[Row], *, validation: float, test: float, seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Deals rows out.

    Each side with a share above 0 gets at least one row (and its equals), validation first, as long as one is left
    for training.

    Args:
        rows: All rows.
        validation: Share for validation, 0 to 1.
        test: Share for test, 0 to 1.
        seed: Another seed, another deal.

    Returns:
        Training, validation and test rows, each in the order of `rows`.
    """
    place = {content: _place(content, seed) for content in map(_content, rows)}
    contents = sorted(place, key=lambda content: place[content])
    spare = max(len(contents) - 1, 0)
    held_validation = min(_count(place, 0.0, validation), spare)
    held_test = min(_count(place, validation, validation + test), spare - held_validation)
    side = dict.fromkeys(contents[: held_validation + held_test], 2) | dict.fromkeys(contents[:held_validation], 1)
    dealt: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for row in rows:
        dealt[side.get(_content(row), 0)].append(row)
    return dealt


def _count(place: dict[str, float], low: float, high: float) -> int:
    """How many contents lie in [low, high): at least 1 where the range isn't empty."""
    return max(sum(low <= value < high for value in place.values()), 1) if high > low else 0


def _content(row: Row) -> str:
    return "\x1e".join([row.text, *(f"{turn.role}\x1f{turn.content}" for turn in row.messages)])


def _place(content: str, seed: int) -> float:
    """A number in [0, 1) that depends on the content and the seed alone."""
    digest = hashlib.blake2b(f"{seed}\x1e{content}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
