"""From items to the rows of the three splits: how many of each task, which wording, in which order.

Everything is drawn from generators seeded by the task's or split's name, so that the same tables always give the same
files, byte for byte, and a change to one task leaves the rows of the others as they were.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.build_demo.items import MAKERS, Item
from scripts.build_demo.tables import SPLITS, TASKS, Split

SEED = 7

SHOWN_FIRST = (("product", "LH-C7"), ("ticket", "F-41"), ("glossary", "round ticket"))
"""The (task, key) of the first test rows: what a run's summary shows of the tuned model's answers."""


@dataclass(frozen=True, slots=True)
class DemoRow:
    """One row of the demo data; task and key say where it comes from and are not written to the file."""

    task: str
    key: str
    instruction: str
    input: str
    output: str

    def to_line(self) -> str:
        """Returns the row as a line of JSONL."""
        values = {"instruction": self.instruction, "input": self.input, "output": self.output}
        return json.dumps(values, ensure_ascii=False) + "\n"


def build_splits() -> dict[Split, list[DemoRow]]:
    """Returns all rows, each split in its final order."""
    rows: dict[Split, list[DemoRow]] = {split: [] for split in SPLITS}
    for task, make in MAKERS.items():
        rng = random.Random(f"{SEED} {task}")
        items = list(make())
        rows["train"] += _training_rows(task, items, rng)
        for split in ("validation", "test"):
            rows[split] += _held_out_rows(task, items, split, rng)
    for split in SPLITS:
        random.Random(f"{SEED} {split}").shuffle(rows[split])
    rows["test"].sort(key=_place)
    return rows


def _training_rows(task: str, items: Iterable[Item], rng: random.Random) -> list[DemoRow]:
    """Every fact, each time in other words."""
    count = TASKS[task]["per_item"]
    return [_row(task, item, example) for item in items for example in rng.sample(item.examples["train"], count)]


def _held_out_rows(task: str, items: list[Item], split: Split, rng: random.Random) -> list[DemoRow]:
    """As many different facts as the quota asks for, each in one wording of its split; the wordings take turns."""
    chosen = rng.sample(items, len(items))
    first = [item for item in items if split == "test" and (task, item.key) in SHOWN_FIRST]
    chosen = first + [item for item in chosen if item not in first]
    quota = TASKS[task][split]
    assert quota <= len(chosen), f"{task} has {len(chosen)} facts, but {quota} {split} rows are asked for"
    pairs = enumerate(chosen[:quota])
    return [_row(task, item, item.examples[split][i % len(item.examples[split])]) for i, item in pairs]


def _row(task: str, item: Item, example: tuple[str, str]) -> DemoRow:
    prompt, output = example
    instruction, _, text = prompt.partition(" | ")
    return DemoRow(task, item.key, instruction, text, output)


def _place(row: DemoRow) -> int:
    """The rows shown first by their rank, all others after them in the order they have."""
    source = (row.task, row.key)
    return SHOWN_FIRST.index(source) if source in SHOWN_FIRST else len(SHOWN_FIRST)
