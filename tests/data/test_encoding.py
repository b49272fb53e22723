"""Prepared rows: the same whatever process made them, read lazily, kept between runs and never stale or half-made."""

import hashlib
import json
import multiprocessing
import os
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftlab.data import cache as cache_module
from ftlab.data.cache import KEPT_DAYS, Cache, key
from ftlab.data.chat import Encoder
from ftlab.data.encoded_store import StoredEncodedRows
from ftlab.data.encoding import EncodedSplits, encode_splits, fingerprint, prepare_splits
from ftlab.data.faults import Faults
from ftlab.data.row import EncodedRow, Row
from ftlab.data.row_store import StoredRows
from ftlab.data.source import Splits, read_splits
from ftlab.model.tokenizer import load_tokenizer
from ftlab.problem import InputError


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    source: dict[str, Any] = {"path": None, "trust_remote_code": False, "revision": None, "offline": True}
    return load_tokenizer(**source, weights="pretrained", chat_template=None)[0]


def write(file: Path, count: int, changed: dict[int, str] | None = None) -> str:
    lines = [
        {"instruction": f"Question {number}?", "input": "", "output": (changed or {}).get(number, f"Answer {number}.")}
        for number in range(count)
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(file)


def plain(rows: Sequence[EncodedRow]) -> list[tuple[int, list[int], list[bool]]]:
    return [(row.id, row.ids.tolist(), row.supervised.tolist()) for row in rows]


def encoded(encoder: Encoder, splits: Splits, folder: Path, processes: int) -> tuple[list[Any], str]:
    folder.mkdir()
    named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    outcome = encode_splits(encoder, named, folder, faults=Faults(), processes=processes)
    return [plain(StoredEncodedRows(folder / f"{name}.arrow")) for name in named], outcome.sha256


def test_stored_rows_are_those_that_the_encoder_gives_with_the_hash_of_ids_and_masks(
    tokenizer: Any, tmp_path: Path
) -> None:
    splits, encoder = read_splits(), Encoder(tokenizer)
    stored, sha256 = encoded(encoder, splits, tmp_path / "one", 1)
    direct = [encoder.encode_all(list(rows)) for rows in (splits.train, splits.validation, splits.test)]
    assert stored == [plain(rows) for rows in direct]
    digest = hashlib.sha256()
    for row in (row for rows in direct for row in rows):
        digest.update(row.ids.numpy().tobytes())
        digest.update(row.supervised.numpy().tobytes())
    assert sha256 == digest.hexdigest()


@pytest.mark.slow
def test_many_processes_give_what_one_gives_in_the_same_order(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftlab.data.encoding.BATCH_ROWS", 100)
    splits, encoder = read_splits(), Encoder(tokenizer)
    assert encoded(encoder, splits, tmp_path / "one", 1) == encoded(encoder, splits, tmp_path / "two", 2)


@pytest.mark.slow
def test_faults_of_worker_processes_name_their_rows(tokenizer: Any, tmp_path: Path) -> None:
    splits, faults = read_splits(), Faults()
    encoder = Encoder(tokenizer, max_row_tokens=5)
    encode_splits(encoder, {"train": splits.train[:30]}, tmp_path, faults=faults, processes=2)
    assert len(faults) == 30
    assert faults.problems()[0].where == "demo/train.jsonl:1"


def test_lengths_and_counts_are_known_without_reading_rows(tokenizer: Any, tmp_path: Path) -> None:
    splits = read_splits()
    encode_splits(Encoder(tokenizer), {"train": splits.train}, tmp_path, faults=Faults(), processes=1)
    stored = StoredEncodedRows(tmp_path / "train.arrow")
    rows = list(stored)
    assert stored.lengths.tolist() == [len(row) for row in rows]
    assert stored.targets_counts.tolist() == [row.targets_count for row in rows]
    assert stored.row_ids.tolist() == [row.id for row in rows]
    assert plain([stored[-1], *stored[3:5]]) == plain([rows[-1], rows[3], rows[4]])
    assert stored[0].ids.dtype == torch.int64
    with pytest.raises(IndexError):
        stored[len(stored)]


def test_rows_of_a_file_are_a_sequence_that_passes_between_processes(tmp_path: Path) -> None:
    rows = read_splits(path=write(tmp_path / "rows.jsonl", 2500), validation_fraction=0.3).train
    assert isinstance(rows, StoredRows)
    as_list = list(rows)
    assert [rows[place] for place in (0, 7, -1)] == [as_list[0], as_list[7], as_list[-1]]
    assert list(rows[5:900:7]) == as_list[5:900:7]
    assert list(pickle.loads(pickle.dumps(rows[10:20]))) == as_list[10:20]
    assert len(rows) == len(as_list) < 2500


def test_no_rows_make_empty_sequences(tokenizer: Any, tmp_path: Path) -> None:
    encode_splits(Encoder(tokenizer), {"test": []}, tmp_path, faults=Faults(), processes=1)
    stored = StoredEncodedRows(tmp_path / "test.arrow")
    assert (len(stored), list(stored), stored.lengths.tolist()) == (0, [], [])


# Kept between runs


def prepared(tokenizer: Any, file: str, folder: Path, **settings: Any) -> EncodedSplits:
    splits = read_splits(path=file, cache=folder)
    name = key(rows=splits.key, tokenizer=fingerprint(tokenizer), **settings)
    return prepare_splits(Encoder(tokenizer, **settings), splits, key=name, cache=folder)


def entries(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_second_run_reads_and_encodes_nothing(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder = write(tmp_path / "rows.jsonl", 40), tmp_path / "cache"
    first = prepared(tokenizer, file, folder)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a second run must find what the first one made")

    monkeypatch.setattr("ftlab.data.source.read_places", refuse)
    monkeypatch.setattr("ftlab.data.encoding.encode_splits", refuse)
    second = prepared(tokenizer, file, folder)
    assert plain(second.train) == plain(first.train)
    assert second.outcome == first.outcome


@pytest.mark.parametrize("change", ["row", "template", "setting", "code"])
def test_change_makes_the_data_anew(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file, folder = write(tmp_path / "rows.jsonl", 40), tmp_path / "cache"
    before = prepared(tokenizer, file, folder)
    settings: dict[str, Any] = {}
    if change == "row":
        write(tmp_path / "rows.jsonl", 40, {3: "Another answer."})
    elif change == "template":
        monkeypatch.setattr(tokenizer, "chat_template", f"Hello. {tokenizer.chat_template}")
    elif change == "setting":
        settings = {"system": "Be brief."}
    else:
        monkeypatch.setattr(cache_module, "_code", lambda: ["another version"])
    entries_before = entries(folder)
    after = prepared(tokenizer, file, folder, **settings)
    assert entries(folder) > entries_before
    assert (after.outcome.sha256 == before.outcome.sha256) == (change == "code")


def test_faulty_rows_are_told_each_time_and_never_kept(tokenizer: Any, tmp_path: Path) -> None:
    file, folder = write(tmp_path / "rows.jsonl", 40, {3: ""}), tmp_path / "cache"
    for _ in range(2):
        with pytest.raises(InputError, match=r"rows\.jsonl:4"):
            prepared(tokenizer, file, folder)
    assert entries(folder) == set()
    good = write(tmp_path / "rows.jsonl", 40)
    for _ in range(2):
        with pytest.raises(InputError, match="tokens long"):
            prepared(tokenizer, good, folder, max_row_tokens=3)
    assert len(entries(folder)) == 1  # the rows as text


def test_entry_that_was_not_finished_is_never_used(tmp_path: Path) -> None:
    def broken(folder: Path) -> bool:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).entry("a", broken)
    assert entries(tmp_path) == set()


def _build_at_once(folder: Path, barrier: Any, made: Any) -> None:
    def build(entry: Path) -> bool:
        barrier.wait()
        (entry / "who").write_text(str(os.getpid()))
        return True

    entry = Cache(folder).entry("same", build)
    made.put((entry.folder / "who").read_text())


def test_jobs_that_build_the_same_at_once_end_with_one_entry(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, made = context.Barrier(3), context.Queue()
    jobs = [context.Process(target=_build_at_once, args=(tmp_path, barrier, made)) for _ in range(3)]
    for job in jobs:
        job.start()
    found = {made.get(timeout=120) for _ in jobs}
    for job in jobs:
        job.join()
    assert len(found) == 1
    assert entries(tmp_path) == {"same"}


def test_entries_that_no_run_used_for_a_month_are_deleted_when_one_is_built(tmp_path: Path) -> None:
    def build(folder: Path) -> bool:
        return True

    for name in ("old", "used"):
        Cache(tmp_path).entry(name, build)
        past = time.time() - (KEPT_DAYS + 1) * 86_400
        os.utime(tmp_path / name, (past, past))
    Cache(tmp_path).entry("used", build)
    Cache(tmp_path).entry("new", build)
    assert entries(tmp_path) == {"used", "new"}


def test_without_a_cache_files_go_with_the_last_reference() -> None:
    rows = read_splits().train
    assert isinstance(rows, StoredRows)
    folder = rows._file.parent
    assert folder.is_dir()
    del rows
    assert not folder.exists()


def test_data_in_a_hub_layout_is_streamed_from_a_folder(tmp_path: Path) -> None:
    import datasets

    rows = [{"instruction": f"Q{number}", "input": "", "output": f"A{number}"} for number in range(30)]
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    cache = tmp_path / "cache"
    first = read_splits(hub_id=str(tmp_path / "set"), cache=cache)
    assert len(first.train) + len(first.validation) + len(first.test) == 30
    assert first.key is not None
    assert read_splits(hub_id=str(tmp_path / "set"), cache=cache).key == first.key
    datasets.Dataset.from_list(rows[1:]).to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    changed = read_splits(hub_id=str(tmp_path / "set"), cache=cache)
    assert changed.key != first.key
    assert len(changed.train) + len(changed.validation) + len(changed.test) == 29


def test_a_batch_of_spans_makes_the_mask_of_each_row(tmp_path: Path) -> None:
    from ftlab.data.encoded_store import EncodedWriter, pack_batch
    from ftlab.data.row import SpannedRow

    rows = [
        SpannedRow(0, [1, 2, 3], ()),
        SpannedRow(1, [4], ((0, 1),)),
        SpannedRow(2, [5, 6, 7, 8, 9], ((0, 2), (3, 5))),
        SpannedRow(2, [8, 9], ((1, 2),)),
    ]
    with EncodedWriter(tmp_path / "rows.arrow", hashlib.sha256()) as writer:
        writer.write(pack_batch(rows[:2]))
        writer.write(pack_batch([]))
        writer.write(pack_batch(rows[2:]))
    stored = StoredEncodedRows(tmp_path / "rows.arrow")
    assert plain(stored) == plain([row.encoded() for row in rows])
    assert stored.targets_counts.tolist() == [row.targets_count for row in rows] == [0, 0, 3, 1]
    masks = [batch.mask().tolist() for batch in stored._batches]
    assert masks == [[False, False, False, True], [], [True, True, False, True, True, False, True]]
    assert stored.lengths.dtype == np.int64


def test_rows_keep_every_field_in_the_file(tmp_path: Path) -> None:
    from dataclasses import fields

    from ftlab.data.row import Message
    from ftlab.data.row_store import RowWriter

    texts = {entry.name: f"{entry.name} ä\u2028\x00" for entry in fields(Message)}
    row = Row(5, "f:1", (Message(**texts), Message("user", "")), "text", "tools", "source")
    with RowWriter(tmp_path / "rows.arrow") as writer:
        writer.write(row, 2**64 - 1)
    stored = StoredRows(tmp_path / "rows.arrow")
    assert list(stored) == [row]
    assert stored.digests().tolist() == [2**64 - 1]
