"""Reads a run folder for its page: the card, the metrics by column, the answers during training. Nothing is judged.

Whatever a killed run left is read as far as it goes; lines that can't be read are counted.
"""

import csv
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftlab import metric
from ftlab.report.card import FILE, read_card

METRICS, SAMPLES, EVALUATION = "metrics.csv", "samples.jsonl", "evaluation.json"

COLUMNS = (
    metric.ATTEMPT, metric.TRAIN_LOSS, metric.LEARNING_RATE, metric.GRAD_NORM, metric.TOKENS_PER_S,
    metric.SUPERVISED_TOKENS_PER_S, metric.SKIPPED_STEPS, metric.VAL_LOSS, metric.OOM_RETRIES,
)  # fmt: skip
"""The columns that the page draws."""


@dataclass(frozen=True, slots=True)
class Column:
    """The values of a metric.

    Attributes:
        steps: Optimizer steps done; shape [N], ascending.
        values: The values; shape [N]; NaN or infinite where they came out so.
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left.

    Attributes:
        folder: Where.
        subject: What was measured: the run itself, or the one that a separate evaluation is of.
        card: `run.json`; of a separate evaluation, what its `evaluation.json` holds.
        metrics: The columns that have values, by key.
        samples: Answers during training, in their order.
        unread: Lines of the metrics and of the answers that couldn't be read.
    """

    folder: Path
    subject: Path
    card: Mapping[str, Any]
    metrics: Mapping[str, Column]
    samples: list[dict[str, Any]]
    unread: int

    @property
    def evaluation(self) -> Mapping[str, Any]:
        """The sections of what was measured."""
        return self.card.get("evaluation") or {}

    def clipped(self, characters: int) -> "RunFolder":
        """Returns the same with the ends of long texts left out, and counted in their place.

        Args:
            characters: How many of a text are kept.
        """
        return replace(self, card=_clip(self.card, characters), samples=_clip(self.samples, characters))

    @property
    def last_step(self) -> int | None:
        """Optimizer steps done, as far as the metrics say."""
        steps = [column.steps[-1] for column in self.metrics.values() if len(column)]
        return int(max(steps)) if steps else None


def read_run(folder: Path) -> RunFolder:
    """Reads what a run left.

    Args:
        folder: The run folder, or that of a separate evaluation.

    Returns:
        All of it.

    Raises:
        ValueError: There is no card, it can't be read, or it is of a newer format.
    """
    card = _card(folder)
    metrics, unread_rows = read_metrics(folder / METRICS)
    samples, unread_lines = _read_samples(folder / SAMPLES)
    return RunFolder(folder, _subject(folder), card, metrics, samples, unread_rows + unread_lines)


def _card(folder: Path) -> Mapping[str, Any]:
    name = FILE if (folder / FILE).exists() else EVALUATION
    try:
        if name == FILE:
            return read_card(folder) or {}
        content = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no {FILE}: it is no run folder.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"{folder / name} can't be read ({error}).") from error
    return content if "evaluation" in content else {"evaluation": content}


def _clip(node: Any, characters: int) -> Any:
    if isinstance(node, str):
        more = len(node) - characters
        return node if more <= 0 else f"{node[:characters]}… ({more:,} more characters)"
    if isinstance(node, Mapping):
        return {_clip(str(key), characters): _clip(value, characters) for key, value in node.items()}
    return [_clip(one, characters) for one in node] if isinstance(node, list) else node


def _subject(folder: Path) -> Path:
    """The folder itself; where it holds a separate evaluation, the run that its file names."""
    try:
        return Path(json.loads((folder / EVALUATION).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, LookupError, TypeError):
        return folder


def read_metrics(file: Path, columns: Sequence[str] = COLUMNS) -> tuple[dict[str, Column], int]:
    """Reads a metrics file column by column, so that half a million steps need megabytes.

    Args:
        file: The file; it may be missing, or broken off.
        columns: The wanted keys (`ftlab.metric`).

    Returns:
        The columns that have values, by key, and how many lines couldn't be read.
    """
    if not file.is_file():
        return {}, 0
    found = {key: (array("d"), array("d")) for key in columns}
    unread = 0
    with file.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = csv.reader(line for line in stream if line.endswith("\n"))  # a killed process leaves half a line
        head = next(rows, [])
        if metric.STEP not in head:
            return {}, 0
        step_place = head.index(metric.STEP)
        places = [(head.index(key), *found[key]) for key in columns if key in head]
        for row in rows:
            try:
                step = float(row[step_place])
                cells = [float(row[place]) if place < len(row) and row[place] else None for place, _, _ in places]
            except (ValueError, IndexError):
                unread += 1
                continue
            for (_, steps, values), cell in zip(places, cells, strict=True):
                if cell is not None:
                    steps.append(step)
                    values.append(cell)
    return {key: _column(*arrays) for key, arrays in found.items() if arrays[0]}, unread


def _column(steps: "array[float]", values: "array[float]") -> Column:
    order = np.argsort(np.frombuffer(steps), kind="stable")
    return Column(np.frombuffer(steps)[order], np.frombuffer(values)[order])


def _read_samples(file: Path) -> tuple[list[dict[str, Any]], int]:
    if not file.is_file():
        return [], 0
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    rows, unread = [], 0
    for line in filter(None, lines):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and {"step", "question", "answer"} <= row.keys():
            rows.append(row)
        else:
            unread += 1
    return rows, unread
