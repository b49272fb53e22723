"""Rows in an Arrow file on disk, read from the memory map one by one: a million rows need no list of a million objects.

In: rows in a stream. Out: `StoredRows`, a sequence of `Row`. The file holds text only; tokens are `encoded_store`'s.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from ftlab.data.arrow import held_numbers, numbers, texts
from ftlab.data.row import Message, Row

BATCH_ROWS = 1000
"""Rows of a record batch: what is written, and decoded while iterating, in one go."""

_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("origin", pa.string()),
        ("messages", pa.string()),  # JSON: the turns, each an array of its fields in the order of `Message`
        ("text", pa.string()),
        ("tools", pa.string()),
        ("source", pa.string()),
        ("digest", pa.uint64()),
    ]
)
_COLUMNS = list(range(len(_SCHEMA.names) - 1))
"""What a row is made of: all but the digest."""

_turn_fields = attrgetter(*Message.__dataclass_fields__)


class RowWriter:
    """Writes rows to an Arrow file; a context manager.

    Args:
        file: The file to make.
    """

    def __init__(self, file: Path) -> None:
        self._writer = pa.ipc.new_file(str(file), _SCHEMA)
        self._batch: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def write(self, row: Row, digest: int) -> None:
        """Adds a row.

        Args:
            row: The row.
            digest: 64 bits that tell its content from others (`ftlab.data.split.digest`).
        """
        messages = json.dumps([_turn_fields(turn) for turn in row.messages], ensure_ascii=False)
        self._batch.append((row.id, row.origin, messages, row.text, row.tools, row.source, digest))
        if len(self._batch) == BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            row_ids, *columns, digests = zip(*self._batch, strict=True)
            arrays = [numbers(row_ids, "int64"), *map(texts, columns), numbers(digests, "uint64")]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
            self._batch = []


class StoredRows(Sequence[Row]):
    """Rows of an Arrow file, or a choice of them; made of the memory map when asked for, and not kept.

    It passes between processes as the file's name and the choice.

    Args:
        file: What a `RowWriter` made.
        choice: The places of the chosen rows in the file, ascending, shape [R], int64; None chooses all.
        keep: Something that must live as long as this sequence: the folder of a file that is deleted at the end.
    """

    def __init__(self, file: Path, choice: NDArray[np.int64] | None = None, keep: object = None) -> None:
        self._file = file
        self._reader = _open(str(file))
        self._choice = np.arange(_count(self._reader)) if choice is None else choice
        self._keep = keep

    def __reduce__(self) -> tuple[type["StoredRows"], tuple[Path, NDArray[np.int64]]]:
        return StoredRows, (self._file, self._choice)

    def __len__(self) -> int:
        return len(self._choice)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> "StoredRows": ...

    def __getitem__(self, index: int | slice) -> "Row | StoredRows":
        if isinstance(index, slice):
            return self.choose(self._choice[index])
        batch, place = divmod(int(self._choice[index]), BATCH_ROWS)
        return next(_rows(self._reader.get_batch(batch).slice(place, 1)))

    def __iter__(self) -> Iterator[Row]:
        batches = self._choice // BATCH_ROWS
        cuts = np.flatnonzero(np.diff(batches)) + 1
        for places in np.split(self._choice, cuts) if len(self) else ():
            batch = self._reader.get_batch(int(places[0]) // BATCH_ROWS)
            chosen = places % BATCH_ROWS
            yield from _rows(batch if len(chosen) == batch.num_rows else batch.take(numbers(chosen, "int64")))

    def choose(self, places: NDArray[np.int64]) -> "StoredRows":
        """Returns the rows at these places of the file (not of this choice), ascending."""
        return StoredRows(self._file, places, self._keep)

    def digests(self) -> NDArray[np.uint64]:
        """Returns the digest of each row, shape [R], uint64."""
        column = _SCHEMA.names.index("digest")
        batches = [self._reader.get_batch(number).column(column) for number in range(self._reader.num_record_batches)]
        parts = (held_numbers(batch, "uint64") for batch in batches)
        return np.concatenate([np.zeros(0, np.uint64), *parts])[self._choice]


@lru_cache(maxsize=8)
def _open(file: str) -> Any:
    return pa.ipc.open_file(pa.memory_map(file))


def _count(reader: Any) -> int:
    """All batches but the last one are full."""
    batches = reader.num_record_batches
    return (batches - 1) * BATCH_ROWS + reader.get_batch(batches - 1).num_rows if batches else 0


def _rows(batch: Any) -> Iterator[Row]:
    columns = (batch.column(number).to_pylist() for number in _COLUMNS)
    for row_id, origin, messages, text, tools, source in zip(*columns, strict=True):
        turns = tuple(Message(*turn) for turn in json.loads(messages))
        yield Row(row_id, origin, turns, text, tools, source)
