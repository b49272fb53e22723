"""Near duplicates: rows that differ in a few characters only.

Each row becomes the set of its character shingles (5 characters, 3 where the script is Chinese, Japanese or Korean, so
that text without spaces works, too). MinHash signatures (rensa) are cut into bands, and rows that share a band are
candidates; a candidate counts only where the true Jaccard index of the shingles says so. In: rows by position. Out:
pairs of positions. Which split a row belongs to is not known here.

Three rules keep pairs out that look alike and are not the same:

- prompt and answer must each be alike, or every paraphrase of a question with a long answer would be a duplicate;
- the numbers in both rows must be the same, or every row of a price list would be;
- sentences of the prompt that stand in a tenth of all rows (instructions, system prompts) don't count, or two short
  questions under one long instruction would be.

References:
    A. Broder, On the resemblance and containment of documents, 1997.
    J. Leskovec, A. Rajaraman, J. Ullman, Mining of Massive Datasets, chapter 3.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from ftlab.check.wording import answer_of, digest, is_wide, prompt_of, segments
from ftlab.data.normal import normal
from ftlab.data.row import Row

SIGNATURE = 128
"""Hash functions of a signature: the estimate of a Jaccard index of 0.8 is off by 0.035 (one standard deviation)."""

PART_SLACK = 0.15
"""How far prompt and answer, each alone, may stay below the threshold: one word weighs more in a short text."""

SHARED_PART = 0.1
"""Share of rows from which a sentence of the prompt counts as a part of the instructions."""

_SAMPLE_ROWS = 10_000
_MIN_SHARED_ROWS = 20
_BATCH_ROWS = 2_000
_MAX_BUCKET_ROWS = 64
_MAX_COMPARED = 8
"""Rows of one bucket, and rows in all, that a row is compared with: bounds the time where rows share a template."""
_ESTIMATE_SLACK = 0.12
"""How far the signatures' estimate may stay below the threshold: more than three standard deviations."""

_NUMBER = re.compile(r"\d+")
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A row and the earlier one that it nearly repeats.

    Attributes:
        row: Position of the row.
        first: Position of the earlier row, which repeats no other.
        jaccard: Which part of all their shingles both have, 0 to 1.
    """

    row: int
    first: int
    jaccard: float


def find_near(
    rows: Callable[[], Iterable[tuple[int, Row]]], row_at: Callable[[int], Row], *, threshold: float
) -> Iterator[Pair]:
    """Finds rows that nearly repeat an earlier one.

    A row is compared with those earlier rows that repeat none themselves, so a hundred copies give 99 pairs with the
    first, and what is left without the rows found holds no near duplicates. The same rows give the same pairs.

    Args:
        rows: Gives the rows to compare with their positions, anew at each call; positions ascend.
        row_at: The row at a position, for the comparison of candidates.
        threshold: The Jaccard index from which a row counts, more than 0 and at most 1.

    Yields:
        The pairs, by position of the row.
    """
    shared = _shared_parts(rows)
    positions, keys, prints = _signatures(rows, shared, *_bands(threshold))
    buckets: dict[int, list[int]] = defaultdict(list)
    for index in np.flatnonzero(_is_shared(keys).any(axis=1)):
        mine = keys[index].tolist()
        candidates = np.array(sorted({other for key in mine for other in buckets.get(key, ())}), dtype=np.int64)
        pair = _first_alike(int(index), candidates, positions, prints, row_at, shared, threshold)
        if pair is not None:
            yield pair
            continue
        for key in mine:
            if len(buckets[key]) < _MAX_BUCKET_ROWS:
                buckets[key].append(int(index))


def _first_alike(
    index: int,
    candidates: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
    prints: npt.NDArray[np.uint8],
    row_at: Callable[[int], Row],
    shared: frozenset[int],
    threshold: float,
) -> Pair | None:
    """The likeliest candidate that is alike in truth; the signatures spare the look at those that can't be."""
    if not len(candidates):
        return None
    estimates = (prints[candidates] == prints[index]).mean(axis=1)
    order = np.argsort(-estimates, kind="stable")[:_MAX_COMPARED]
    likely = candidates[order][estimates[order] >= threshold - _ESTIMATE_SLACK]
    if not len(likely):
        return None
    mine = _Shingles.of(row_at(int(positions[index])), shared)
    for other in likely:
        jaccard = mine.alike(_Shingles.of(row_at(int(positions[other])), shared), threshold)
        if jaccard is not None:
            return Pair(int(positions[index]), int(positions[other]), jaccard)
    return None


@dataclass(frozen=True, slots=True)
class _Shingles:
    """What of a row is compared: the hashed shingles of its parts."""

    prompt: Hashes
    answer: Hashes

    @classmethod
    def of(cls, row: Row, shared: frozenset[int]) -> "_Shingles":
        prompt, answer = _compared(row, shared)
        return cls(np.unique(shingles(prompt)), np.unique(shingles(answer)))

    def alike(self, other: "_Shingles", threshold: float) -> float | None:
        """The Jaccard index of the whole rows; None where they are not near duplicates."""
        whole = _jaccard(np.union1d(self.prompt, self.answer), np.union1d(other.prompt, other.answer))
        parts = min(_jaccard(self.prompt, other.prompt), _jaccard(self.answer, other.answer))
        return whole if whole >= threshold and parts >= threshold - PART_SLACK else None


def _numbers(row: Row) -> int:
    """A hash of all numbers of a row, whatever their order."""
    return digest(" ".join(sorted(_NUMBER.findall(f"{prompt_of(row)}\n{answer_of(row)}"))))


def _jaccard(left: Hashes, right: Hashes) -> float:
    both = len(np.intersect1d(left, right, assume_unique=True))
    either = len(left) + len(right) - both
    return both / either if either else 1.0


def _compared(row: Row, shared: frozenset[int]) -> tuple[str, str]:
    """Prompt without the shared parts, and answer, normalised. Plain text has shared parts, too, such as headers."""
    prompt, answer = prompt_of(row), answer_of(row)
    if not row.messages:
        return "", " ".join(part for part in segments(answer) if digest(part) not in shared)
    return " ".join(part for part in segments(prompt) if digest(part) not in shared), normal(answer)


def shingles(text: str) -> Hashes:
    """A 64-bit hash of each run of 5 (or 3) characters, in order; one of all where the text is shorter."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if not len(codes):
        return codes
    width = min(3 if is_wide(text) else 5, len(codes))
    count = len(codes) - width + 1
    hashes = codes[:count].copy()
    for offset in range(1, width):
        hashes = hashes * _PRIME + codes[offset : offset + count]
    return _mixed(hashes)


def _mixed(values: Hashes) -> Hashes:
    """Spreads every bit over all 64 (the finaliser of MurmurHash3, one round)."""
    values = (values ^ (values >> np.uint64(33))) * _MIX
    return values ^ (values >> np.uint64(29))


def _shared_parts(rows: Callable[[], Iterable[tuple[int, Row]]]) -> frozenset[int]:
    """Digests of the sentences that stand in a tenth of the rows, judged by up to 10,000 of them evenly spaced."""
    total = sum(1 for _ in rows())
    step = max(total // _SAMPLE_ROWS, 1)
    counts: Counter[int] = Counter()
    for number, (_, row) in enumerate(rows()):
        if number % step == 0:
            counts.update({digest(part) for part in segments(prompt_of(row) if row.messages else row.text)})
    least = max(_MIN_SHARED_ROWS, SHARED_PART * total / step)
    return frozenset(part for part, count in counts.items() if count >= least)


def _bands(threshold: float) -> tuple[int, int]:
    """Bands and values a band: the longest bands that still miss less than 1 % of the pairs at the threshold."""
    for size in range(16, 0, -1):
        count = SIGNATURE // size
        if (1 - threshold**size) ** count < 0.01:
            return count, size
    return SIGNATURE, 1


def _signatures(
    rows: Callable[[], Iterable[tuple[int, Row]]], shared: frozenset[int], bands: int, size: int
) -> tuple[npt.NDArray[np.int64], Hashes, npt.NDArray[np.uint8]]:
    """Positions [N], a key a band [N, bands] and the lowest byte of each value of the signature [N, 128].

    The row's numbers go into the keys, so that only rows with the same numbers are ever compared.
    """
    positions: list[int] = []
    keys: list[Hashes] = []
    prints: list[npt.NDArray[np.uint8]] = []
    batch: list[Hashes] = []
    numbers: list[int] = []

    def flush() -> None:
        offsets = np.cumsum([0, *map(len, batch)]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(batch), offsets, SIGNATURE, 1)
        values = np.array(matrix.to_rows(), dtype=np.uint64)
        prints.append(values.astype(np.uint8))
        seeds: Hashes = np.add.outer(np.array(numbers, dtype=np.uint64), np.arange(bands, dtype=np.uint64))
        key = _mixed(seeds)
        for place in range(size):
            key = _mixed(key * _PRIME + values[:, place : bands * size : size])
        keys.append(key)
        batch.clear()
        numbers.clear()

    for position, row in rows():
        hashes = shingles(" ".join(_compared(row, shared)))
        if not len(hashes):
            continue
        positions.append(position)
        batch.append(hashes)
        numbers.append(_numbers(row))
        if len(batch) == _BATCH_ROWS:
            flush()
    if batch:
        flush()
    if not positions:
        return np.empty(0, np.int64), np.empty((0, bands), np.uint64), np.empty((0, SIGNATURE), np.uint8)
    return np.array(positions, dtype=np.int64), np.concatenate(keys), np.concatenate(prints)


def _is_shared(keys: Hashes) -> npt.NDArray[np.bool_]:
    """Whether another row has the same key, [N, bands]; one band after another, to spare memory."""
    found = np.zeros(keys.shape, dtype=np.bool_)
    for band in range(keys.shape[1]):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        found[:, band] = counts[inverse] > 1
    return found
