"""Encoded rows in an Arrow file on disk, read from the memory map one by one; lengths are known without reading rows.

In: record batches of `SpannedRow`s. Out: `StoredEncodedRows`, a sequence of `EncodedRow`. Token ids take four bytes,
the mask its first and last token; a row becomes tensors when it is asked for.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray

from ftlab.data.arrow import held_lists, held_numbers, lists, numbers
from ftlab.data.row import EncodedRow, SpannedRow

_SCHEMA = pa.schema([("id", pa.int64()), ("ids", pa.list_(pa.int32())), ("spans", pa.list_(pa.int32()))])
"""`spans` holds the first token and the end (exclusive) of each supervised stretch, one after the other."""


def pack_batch(rows: Sequence[SpannedRow]) -> Any:
    """Packs rows into an Arrow record batch, which passes between processes without objects for rows."""
    spans = [[edge for span in row.spans for edge in span] for row in rows]
    columns = [numbers([row.id for row in rows], "int64"), lists([row.ids for row in rows]), lists(spans)]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


class EncodedWriter:
    """Writes record batches to an Arrow file, and adds them to a hash; a context manager.

    Args:
        file: The file to make.
        digest: Takes ids (int64) and masks (a byte a token) of each row, in order.
    """

    def __init__(self, file: Path, digest: "hashlib._Hash") -> None:
        self._writer = pa.ipc.new_file(str(file), _SCHEMA)
        self._digest = digest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, batch: Any) -> None:
        """Adds what `pack_batch` made."""
        self._writer.write_batch(batch)
        view = _Batch(batch)
        ids, mask, offsets = memoryview(view.ids.astype(np.int64).tobytes()), view.mask().tobytes(), view.offsets
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            self._digest.update(ids[8 * start : 8 * end])
            self._digest.update(mask[start:end])


class StoredEncodedRows(Sequence[EncodedRow]):
    """Encoded rows of an Arrow file; made of the memory map when asked for, and not kept.

    Args:
        file: What an `EncodedWriter` made.
        keep: Something that must live as long as this sequence: the folder of a file that is deleted at the end.
    """

    def __init__(self, file: Path, keep: object = None) -> None:
        reader = pa.ipc.open_file(pa.memory_map(str(file)))
        self._batches = [_Batch(reader.get_batch(number)) for number in range(reader.num_record_batches)]
        self._ends = np.cumsum([len(batch.row_ids) for batch in self._batches], dtype=np.int64)
        self._keep = keep

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> EncodedRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[EncodedRow]: ...

    def __getitem__(self, index: int | slice) -> EncodedRow | list[EncodedRow]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"`index` must be below {len(self)}, but is {index}.")
        number = int(np.searchsorted(self._ends, place, side="right"))
        return self._batches[number].row(place - int(self._ends[number - 1] if number else 0))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, shape [R], int64."""
        return self._joined([np.diff(batch.offsets) for batch in self._batches])

    @cached_property
    def targets_counts(self) -> NDArray[np.int64]:
        """Tokens of each row that carry loss, shape [R], int64."""
        return self._joined([batch.targets_counts() for batch in self._batches])

    @cached_property
    def row_ids(self) -> NDArray[np.int64]:
        """The number of each row, shape [R], int64, ascending; the parts of a split row share theirs."""
        return self._joined([batch.row_ids for batch in self._batches])

    def _joined(self, parts: list[NDArray[Any]]) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


class _Batch:
    """The columns of a record batch as arrays that lie in the memory map."""

    def __init__(self, batch: Any) -> None:
        row_ids, tokens, spans = batch.columns
        self.row_ids = held_numbers(row_ids, "int64")
        self.ids, self.offsets = held_lists(tokens)
        self.edges, self.edge_offsets = held_lists(spans)

    def row(self, place: int) -> EncodedRow:
        start, end = self.offsets[place : place + 2]
        first, last = self.edge_offsets[place : place + 2]
        supervised = torch.zeros(int(end - start), dtype=torch.bool)
        for edge in range(first, last, 2):
            supervised[self.edges[edge] : self.edges[edge + 1]] = True
        ids = torch.from_numpy(self.ids[start:end].astype(np.int64))
        return EncodedRow(int(self.row_ids[place]), ids, supervised)

    def mask(self) -> NDArray[np.bool_]:
        """Whether each token of the batch is supervised, shape [N]."""
        shifts = np.repeat(self.offsets[:-1], np.diff(self.edge_offsets))
        flips = np.zeros(len(self.ids) + 1, np.int8)
        edges = self.edges + shifts
        np.add.at(flips, edges[::2], 1)
        np.add.at(flips, edges[1::2], -1)
        return flips[:-1].cumsum(dtype=np.int8).astype(bool)

    def targets_counts(self) -> NDArray[np.int64]:
        starts, ends = self.edges[::2], self.edges[1::2]
        counts = np.maximum(ends - np.maximum(starts, 1), 0)
        of_row = np.repeat(np.arange(len(self.row_ids)), np.diff(self.edge_offsets) // 2)
        return np.bincount(of_row, weights=counts, minlength=len(self.row_ids)).astype(np.int64)
