"""The rows that the runs train on: the demo and parts of it, and two sets made by the embedded model's own corpus.

What the corpus never asks for is put into the answers (JSON, tags): a set that the model knows already teaches nothing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from scripts.tiny_corpus import notices, records
from scripts.tiny_corpus.document import Document

HELD_OUT_ROWS, TEST_ROWS = 40, 8
ROWS = {"demo": 754, "demo-a": 377, "demo-b": 377, "records": 480, "tagged": 480}
"""Training rows of each set."""

Row = dict[str, Any]


def write(folder: Path, name: str, *, rows: int | None = None, shuffle_seed: int | None = None) -> list[str]:
    """Writes a set's three files.

    Args:
        folder: Where to.
        name: A key of `ROWS`.
        rows: Only so many training rows; None = all.
        shuffle_seed: Gives every row the answer of another one, training and held-out rows alike; None = its own.

    Returns:
        The overrides that read them.
    """
    splits = dict(zip(("train", "validation", "test"), _splits(name), strict=True))
    splits["train"] = splits["train"][:rows]
    overrides = ["data.format=alpaca"]
    for role, chosen in splits.items():
        if shuffle_seed is not None:
            chosen = _shuffled(chosen, Random(f"{shuffle_seed}-{role}"))
        file = folder / f"{role}.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in chosen), encoding="utf-8")
        overrides.append(f"data.{'path' if role == 'train' else f'{role}_path'}={file}")
    return overrides


def _splits(name: str) -> tuple[list[Row], list[Row], list[Row]]:
    if name.startswith("demo"):
        train, validation, test = (_demo(role) for role in ("train", "validation", "test"))
        half = len(train) // 2
        part = {"demo": train, "demo-a": train[:half], "demo-b": train[half : 2 * half]}[name]
        return part, validation[:HELD_OUT_ROWS], test[:TEST_ROWS]
    maker = {"records": _record, "tagged": _tagged}[name]
    made = _different(maker, ROWS[name] + HELD_OUT_ROWS + TEST_ROWS, Random(name))
    return made[: ROWS[name]], made[ROWS[name] : -TEST_ROWS], made[-TEST_ROWS:]


def _demo(role: str) -> list[Row]:
    text = files("ftlab.data").joinpath("demo", f"{role}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _different(maker: Callable[[Random], Iterator[Row]], count: int, rng: Random) -> list[Row]:
    found: dict[str, Row] = {}
    while len(found) < count:
        found.update((json.dumps([row["instruction"], row["input"]]), row) for row in maker(rng))
    return list(found.values())[:count]


def _record(rng: Random) -> Iterator[Row]:
    """A record in lines, to be written as JSON."""
    values = records.record(rng, rng.randint(2, 4))
    lines = "\n".join(f"{records.spoken(key)}: {records.said(value)}" for key, value in values.items())
    yield {"instruction": "Write this record as JSON.", "input": lines, "output": json.dumps(values)}


def _tagged(rng: Random) -> Iterator[Row]:
    """A message and a question about it; the answer stands in tags and ends with a mark."""
    document: Document = notices.message_facts(rng)
    (_, question), (_, answer), *_ = document.turns
    yield {"instruction": question, "input": "", "output": f"<fact>{answer}</fact> checked"}


def _shuffled(rows: Sequence[Row], rng: Random) -> list[Row]:
    answers = [row["output"] for row in rows]
    rng.shuffle(answers)
    return [row | {"output": answer} for row, answer in zip(rows, answers, strict=True)]
