"""Encodes the rows of a run into Arrow files: in this process where they are few, else in one for each other core too.

In: an `Encoder` and sequences of `Row`. Out: one file a split, the hash of all ids and masks, and what became of rows
that are too long. The order is the rows', whatever process they went through.

Processes are spawned, never forked: a tokenizer's threads don't survive a fork. Starting one takes some seconds (it
imports Transformers), which is why small sets do without, and why this process encodes, too, while others begin.
"""

import hashlib
import json
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from ftlab.data.cache import Cache
from ftlab.data.chat import BATCH_ROWS, Encoder
from ftlab.data.encoded_store import EncodedWriter, StoredEncodedRows, pack_batch
from ftlab.data.faults import Faults
from ftlab.data.progress import progress
from ftlab.data.row import Row
from ftlab.data.source import Splits

ROWS_FOR_A_PROCESS = 25_000
"""Rows that are worth the start of a process."""

_PROCESS_BYTES = 1 << 30
"""Free memory that a process must find: most of it is Transformers and the tokenizer."""

_AHEAD = 3
"""Batches handed out for each process: one at work, the others waiting, so that none is idle."""

_MOST_WAITING = 256
"""Batches that are done or handed out and not yet written, since an earlier one isn't done."""

SPLITS = ("train", "validation", "test")

_OUTCOME_FILE = "outcome.json"

_encoder: Encoder
"""The encoder of a worker process."""


@dataclass(slots=True)
class Outcome:
    """What encoding came to beside its files.

    Attributes:
        sha256: Hash of all token ids and masks, split after split.
        counts: What became of rows that are too long (`ftlab.data.long`).
    """

    sha256: str
    counts: "Counter[str]" = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class EncodedSplits:
    """The encoded rows of a run, in files.

    Attributes:
        train: Training rows.
        validation: Validation rows.
        test: Test rows.
        outcome: The hash of all three, and what became of long rows.
    """

    train: StoredEncodedRows
    validation: StoredEncodedRows
    test: StoredEncodedRows
    outcome: Outcome


def prepare_splits(
    encoder: Encoder, splits: Splits, *, key: str | None, cache: Path | None, faults: Faults | None = None
) -> EncodedSplits:
    """Encodes all splits, or finds what an earlier run encoded.

    Args:
        encoder: What turns rows into ids.
        splits: The rows.
        key: Names rows, tokenizer, template and settings together; None keeps nothing.
        cache: Where the encoded rows are kept for the next run; None keeps nothing.
        faults: Takes every row that can't be trained on, and the others are returned; None raises them.

    Returns:
        The encoded rows.

    Raises:
        InputError: The template fits no row; or, without `faults`, every row that can't be trained on.
    """
    found = Faults() if faults is None else faults

    def build(folder: Path) -> bool:
        before = len(found)
        named = {name: getattr(splits, name) for name in SPLITS}
        outcome = encode_splits(encoder, named, folder, faults=found)
        if faults is None:
            found.raise_all()
        (folder / _OUTCOME_FILE).write_text(json.dumps({"sha256": outcome.sha256, "counts": dict(outcome.counts)}))
        return len(found) == before

    entry = Cache(cache).entry(key, build)
    content = json.loads((entry.folder / _OUTCOME_FILE).read_text())
    stored = {name: StoredEncodedRows(entry.folder / f"{name}.arrow", keep=entry) for name in SPLITS}
    return EncodedSplits(**stored, outcome=Outcome(content["sha256"], Counter(content["counts"])))


def fingerprint(tokenizer: Any) -> str | None:
    """Hashes everything of a tokenizer that decides on ids and rendered texts; None where that can't be read.

    A tokenizer in Python (not a fast one) may do anything, so nothing that it encodes is kept.
    """
    if not tokenizer.is_fast:
        return None
    parts = [type(tokenizer).__name__, tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template]
    parts += [tokenizer.special_tokens_map, tokenizer.init_kwargs]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def encode_splits(
    encoder: Encoder, splits: Mapping[str, Sequence[Row]], folder: Path, *, faults: Faults, processes: int | None = None
) -> Outcome:
    """Encodes all splits, each into `<folder>/<split>.arrow`.

    Args:
        encoder: What turns rows into ids.
        splits: The rows by name; the order of the names is the order of the hash.
        folder: Where the files are made.
        faults: Takes every row that can't be trained on; such a row is in no file.
        processes: How many work at it, 1 for this one alone; None chooses by the rows, the cores and the memory.

    Returns:
        The hash, and what became of long rows.

    Raises:
        InputError: The template fits no row.
    """
    total = sum(map(len, splits.values()))
    processes = _processes(total) if processes is None else processes
    digest = hashlib.sha256()
    outcome = Outcome("")
    batches = (
        rows[first : first + BATCH_ROWS] for rows in splits.values() for first in range(0, len(rows), BATCH_ROWS)
    )
    results = _in_processes(encoder, batches, processes, folder) if processes > 1 else _here(encoder, batches)
    with progress("Encoding rows", total) as advance:
        for name, rows in splits.items():
            with EncodedWriter(folder / f"{name}.arrow", digest) as writer:
                for _ in range(0, len(rows), BATCH_ROWS):
                    batch, found, counts = next(results)
                    writer.write(batch)
                    outcome.counts += counts
                    for problem, row_id in found.rows:
                        faults.add(problem, row_id=row_id)
                    advance(BATCH_ROWS)
    next(results, None)  # lets the processes end
    outcome.sha256 = digest.hexdigest()
    return outcome


_Result = tuple[Any, Faults, "Counter[str]"]


def _encode(encoder: Encoder, rows: Sequence[Row]) -> _Result:
    faults, counts = Faults(), Counter[str]()
    return pack_batch(encoder.encode_batch(list(rows), faults, counts)), faults, counts


def _here(encoder: Encoder, batches: Iterator[Sequence[Row]]) -> Iterator[_Result]:
    for rows in batches:
        yield _encode(encoder, rows)


def _in_processes(
    encoder: Encoder, batches: Iterator[Sequence[Row]], processes: int, folder: Path
) -> Iterator[_Result]:
    """Results in the order of the batches; this process is one of those that encode."""
    file = folder / "encoder.pickle"  # as an argument it would hold up the start of a process until the last one reads
    file.write_bytes(pickle.dumps(encoder))
    others = processes - 1
    pool = ProcessPoolExecutor(others, get_context("spawn"), initializer=_start, initargs=(file,))
    waiting: deque[Future[_Result]] = deque()
    try:
        for rows in batches:
            at_work = sum(not future.done() for future in waiting)
            waiting.append(pool.submit(_encode_in_worker, rows) if at_work < others * _AHEAD else _done(encoder, rows))
            while waiting and (waiting[0].done() or len(waiting) >= _MOST_WAITING):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        file.unlink()


def _done(encoder: Encoder, rows: Sequence[Row]) -> "Future[_Result]":
    """Encodes here and now."""
    future: Future[_Result] = Future()
    future.set_result(_encode(encoder, rows))
    return future


def _start(encoder: Path) -> None:
    """Prepares a worker: one thread, since there is a process a core; Ctrl-C is the parent's to answer."""
    global _encoder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _encoder = pickle.loads(encoder.read_bytes())  # noqa: S301 - our own parent's


def _encode_in_worker(rows: Sequence[Row]) -> _Result:
    return _encode(_encoder, rows)


def _processes(rows: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    room = int(psutil.virtual_memory().available) // _PROCESS_BYTES
    return max(1, min(cores, rows // ROWS_FOR_A_PROCESS, room))
