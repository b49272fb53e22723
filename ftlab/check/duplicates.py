"""Rows that repeat others: exact and near duplicates, one question with different answers, leakage between splits.

In: the splits. Out: findings FT201–FT213. Test rows are read first, then validation, then training: a row that repeats
one of another split is a leak into that split, and it is the one to drop; a row that repeats one of its own split is a
duplicate of the first. Rows are hashed and not copied: 24 bytes each, 700 while near duplicates are looked for.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ftlab.check.finding import Finding
from ftlab.check.near import find_near
from ftlab.check.wording import answer_digest, digest, prompt_digest
from ftlab.data.row import Row

_HELD_OUT = ("test", "validation")
_REMOVE = "Remove it, or let check.write=clean.jsonl leave it out."


def find_duplicates(
    splits: Mapping[str, Sequence[Row]], *, near: bool = True, threshold: float = 0.8
) -> Iterator[Finding]:
    """Finds rows that repeat others.

    Args:
        splits: The rows by split: `train`, `validation`, `test`.
        near: Whether near duplicates are looked for, too.
        threshold: Which part of their shingles (0 to 1) two rows must share to be near duplicates.

    Yields:
        One finding for each row that repeats another (never one for each pair): exact ones first, then one question
        with different answers, then near ones, each in the order test, validation, training.
    """
    rows = _Rows(splits)
    keys = _Keys.of(rows)
    first = _first(keys.row)
    for position in np.flatnonzero(first != np.arange(len(rows))).tolist():
        yield _exact(rows, position, int(first[position]))
    yield from _same_question(rows, keys)
    if near:
        unique = (first == np.arange(len(rows))).tolist()

        def candidates() -> Iterator[tuple[int, Row]]:
            return ((position, row) for position, row in enumerate(rows) if unique[position])

        for pair in find_near(candidates, rows.at, threshold=threshold):
            yield _near(rows, pair.row, pair.first, pair.jaccard)


class _Rows:
    """All splits as one sequence, held-out rows first."""

    def __init__(self, splits: Mapping[str, Sequence[Row]]) -> None:
        last = [name for name in splits if name not in _HELD_OUT]
        self._names = [name for name in (*_HELD_OUT, *last) if splits.get(name)]
        self._parts = [splits[name] for name in self._names]
        self.starts = np.cumsum([0, *map(len, self._parts)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[Row]:
        for part in self._parts:
            yield from part

    def at(self, position: int) -> Row:
        part = self._part(position)
        return self._parts[part][position - int(self.starts[part])]

    def split(self, position: int) -> str:
        return self._names[self._part(position)]

    def parts(self) -> Iterator[slice]:
        """The stretch of positions of each split."""
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(end))

    def _part(self, position: int) -> int:
        return int(np.searchsorted(self.starts, position, side="right")) - 1


class _Keys:
    """64-bit hashes of all rows: of the prompt, of the answer, of both. [N] each."""

    def __init__(self, prompt: npt.NDArray[np.uint64], answer: npt.NDArray[np.uint64]) -> None:
        self.prompt = prompt
        self.answer = answer
        self.row = prompt * np.uint64(0x9E3779B97F4A7C15) + answer

    @classmethod
    def of(cls, rows: _Rows) -> "_Keys":
        prompt = np.empty(len(rows), dtype=np.uint64)
        answer = np.empty(len(rows), dtype=np.uint64)
        for position, row in enumerate(rows):
            prompt[position] = prompt_digest(row) if row.messages else _NO_PROMPT
            answer[position] = answer_digest(row)
        return cls(prompt, answer)


_NO_PROMPT = digest("plain text asks nothing")


def _first(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The first position that has the same key, for each position."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _exact(rows: _Rows, position: int, first: int) -> Finding:
    row, other, split = rows.at(position), rows.at(first), rows.split(first)
    same = (row.messages, row.text) == (other.messages, other.text)
    but = "" if same else ", but for case, spacing or Unicode form"
    if split == rows.split(position):
        return Finding("FT201", row.origin, f"is the same row as {other.origin}{but}.", _REMOVE, row.id, (other.id,))
    what = f"is the same row as {other.origin} of the {split} split{but}."
    return Finding("FT211", row.origin, what, _REMOVE, row.id, (other.id,))


def _near(rows: _Rows, position: int, first: int, jaccard: float) -> Finding:
    row, other, split = rows.at(position), rows.at(first), rows.split(first)
    percent = min(int(100 * jaccard), 99)  # rounded down: 100 % would say that they are the same
    code, place = ("FT202", "") if split == rows.split(position) else ("FT212", f" of the {split} split")
    what = f"is nearly the same row as {other.origin}{place}: {percent} % of their shingles agree."
    return Finding(code, row.origin, what, _REMOVE, row.id, (other.id,))


def _same_question(rows: _Rows, keys: _Keys) -> Iterator[Finding]:
    """Rows whose question has been asked before, with another answer."""
    first_row = _first(keys.row)
    first_prompt = _first(keys.prompt)
    for part in rows.parts():
        inside = part.start + _first(keys.prompt[part])
        for position in range(part.start, part.stop):
            if keys.prompt[position] == _NO_PROMPT or first_row[position] != position:
                continue
            if first_prompt[position] < part.start:
                yield _asked_elsewhere(rows, position, int(first_prompt[position]))
            if inside[position - part.start] != position:
                yield _asked_before(rows, position, int(inside[position - part.start]))


def _asked_elsewhere(rows: _Rows, position: int, first: int) -> Finding:
    row, other = rows.at(position), rows.at(first)
    what = f"asks what {other.origin} of the {rows.split(first)} split asks, with another answer."
    fix = "Remove one of the two, or name held-out files of your own in data.validation_path and data.test_path."
    return Finding("FT213", row.origin, what, fix, row.id, (other.id,))


def _asked_before(rows: _Rows, position: int, first: int) -> Finding:
    row, other = rows.at(position), rows.at(first)
    what = f"asks what {other.origin} asks, but answers otherwise."
    fix = "Keep the right answer, or say in the question what makes the difference."
    return Finding("FT203", row.origin, what, fix, row.id, (other.id,))
