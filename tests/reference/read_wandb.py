"""Reads a W&B offline run: the `.wandb` file is LevelDB's log format (32 KiB blocks) behind a 7-byte header."""

import json
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as pb

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """What the file holds, in the order in which it was written."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    alerts: list[tuple[str, str, str]] = field(default_factory=list)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None
    raw: bytes = b""

    def numbers(self) -> list[dict[str, float]]:
        """The history without W&B's own keys and without tables."""
        return [_numbers(row) for row in self.history]


def read_offline_run(folder: Path, wait_s: float = 20) -> OfflineRun:
    """Reads an `offline-run-…` folder of a finished run; W&B writes the end a moment after `finish` returns."""
    deadline = time.monotonic() + wait_s
    while (found := _read(folder)).exit_code is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _read(folder: Path) -> OfflineRun:
    (file,) = folder.glob("*.wandb")
    found = OfflineRun(raw=file.read_bytes())
    for chunk in _chunks(found.raw):
        record = pb.Record()
        record.ParseFromString(chunk)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            found.config |= _items(record.run.config.update)
        elif kind == "config":
            found.config |= _items(record.config.update)
        elif kind == "history":
            found.history.append(_items(record.history.item))
        elif kind == "summary":
            found.summary |= _items(record.summary.update)
        elif kind == "metric":
            found.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif kind == "alert":
            found.alerts.append((record.alert.title, record.alert.text, record.alert.level))
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    media = tuple(key.removesuffix("_type") for key in row if key.endswith("._type"))
    return {key: float(value) for key, value in row.items() if not key.startswith(("_", *media))}


def _items(items: Any) -> dict[str, Any]:
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def _chunks(data: bytes) -> Iterator[bytes]:
    ident, magic, _ = struct.unpack("<4sHB", data[:7])
    assert (ident, magic) == (b":W&B", 0xBEE1)
    at, parts = 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        checksum, length, kind = struct.unpack("<IHB", data[at : at + 7]) if left >= 7 else (0, 0, 0)
        if kind == 0:  # the rest of the block is filling
            at += left
            continue
        chunk = data[at + 7 : at + 7 + length]
        if len(chunk) < length:  # cut off by a kill
            return
        assert zlib.crc32(chunk, zlib.crc32(bytes([kind]))) & 0xFFFFFFFF == checksum
        at += 7 + length
        parts = chunk if kind in (FULL, FIRST) else parts + chunk
        if kind in (FULL, LAST):
            yield parts
