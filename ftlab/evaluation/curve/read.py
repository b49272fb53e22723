"""Reads a curve from a log: ftlab's metrics.csv, any CSV or JSONL of steps and losses, a trainer_state.json.

In: a file. Out: a `Curve`, and what was guessed and left out as sentences. What is wrong with the file is told with its
line, all of it at once.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.evaluation.curve.columns import Columns, Field, guess
from ftlab.evaluation.curve.curve import Curve
from ftlab.problem import InputError, Problem, raise_all

MOST_PROBLEMS = 8
"""Faults that are listed one by one; of more, the number is said."""
MOST_NAMES = 12
"""Columns that are listed where none fits."""
_NOT_NUMBERS = {"nan": math.nan, "null": math.nan, "none": math.nan, "n/a": math.nan}
_FORMATS = "a CSV or JSONL of step and loss, a run's metrics.csv, or a trainer_state.json"


@dataclass(frozen=True, slots=True)
class Reading:
    """A curve as it was read.

    Attributes:
        curve: The numbers.
        guesses: What columns and lines were taken for, one sentence each.
        notes: What was merged, sorted and cut off, one sentence each.
    """

    curve: Curve
    guesses: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """One record of a file: its number, counted from 1, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


def read_curve(file: str | Path) -> Reading:
    """Reads a log.

    Args:
        file: What a trainer wrote; CSV (comma, semicolon or tab), JSONL, a JSON list, or `trainer_state.json`.

    Returns:
        The curve. Of a step that stands several times, as after a resume, the later line counts.

    Raises:
        InputError: The file can't be read, has no loss, or holds cells that are no numbers; each with its line.
    """
    path = Path(file)
    lines, notes = _lines(path)
    filled = Counter(name for line in lines for name, cell in line.cells.items() if cell not in ("", None))
    columns = guess(filled)
    if "loss" not in columns.of_field and "val_loss" not in columns.of_field:
        there = ", ".join(list(filled)[:MOST_NAMES])
        what = f"must have a column of losses (loss, train_loss, train/loss, …), but has: {there}."
        raise InputError([Problem(str(path), what, "Rename the column that holds the training loss to loss.")])
    by_step, guesses, more = _merged(path, lines, columns)
    return Reading(_curve(by_step), (columns.told(), *guesses), (*notes, *more))


def _lines(path: Path) -> tuple[list[_Line], list[str]]:
    """The records of a file of any of the kinds, and what was left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError([Problem(str(path), f"must be text in UTF-8, but byte {error.start} is none.")]) from error
    except OSError as error:
        raise InputError([Problem(str(path), f"must be {_FORMATS}, but: {error.strerror}.")]) from error
    start = text.lstrip()[:1]
    if not start:
        raise InputError([Problem(str(path), f"must be {_FORMATS}, but is empty.")])
    if start == "[" or (start == "{" and _is_one_document(text)):
        return _document(path, json_text=text), []
    lines, notes = _json_lines(path, text) if start == "{" else _csv_lines(path, text)
    if not lines:
        raise InputError([Problem(str(path), "must hold a line for each step, but has none below its names.")])
    return lines, notes


def _is_one_document(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return "\n" in text.strip() and text.lstrip()[1:].lstrip().startswith('"') and "log_history" in text
    return True


def _document(path: Path, json_text: str) -> list[_Line]:
    """A list of records, or an object with `log_history`, as Transformers' trainer keeps it."""
    try:
        found = json.loads(json_text)
    except ValueError as error:
        raise InputError([Problem(f"{path}:{getattr(error, 'lineno', 1)}", f"must be JSON, but: {error}.")]) from error
    records = found.get("log_history", [found]) if isinstance(found, dict) else found
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        what = "must hold a list of records with step and loss (`log_history` in a trainer_state.json), but holds none."
        raise InputError([Problem(str(path), what)])
    return [_Line(number, record) for number, record in enumerate(records, 1)]


def _json_lines(path: Path, text: str) -> tuple[list[_Line], list[str]]:
    lines, problems, notes = [], [], []
    rows = text.splitlines()
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        try:
            record = json.loads(row)
            if not isinstance(record, dict):
                raise ValueError("it is no object")
            lines.append(_Line(number, record))
        except ValueError as error:
            if number == len(rows) and not text.endswith("\n"):
                notes.append(f"Line {number} is cut off, as in a file that is being written: it is left out.")
            else:
                problems.append(Problem(f"{path}:{number}", f"must be a JSON object, but: {error}."))
    _raise_some(path, problems)
    return lines, notes


def _csv_lines(path: Path, text: str) -> tuple[list[_Line], list[str]]:
    head = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    names: list[str] = []
    lines, problems, notes = [], [], []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = [cell.strip() for cell in cells]
            if all(_number(name) is not None for name in names):
                what = f"must begin with a line of column names such as step,loss, but begins with {head.strip()!r}."
                raise InputError([Problem(f"{path}:{reader.line_num}", what)])
        elif len(cells) > len(names):
            what = f"must have {len(names)} cells, as the first line names them, but has {len(cells)}."
            problems.append(Problem(f"{path}:{reader.line_num}", what))
        else:
            lines.append(_Line(reader.line_num, dict(zip(names, cells, strict=False))))
    if lines and len(lines[-1].cells) < len(names) and not text.endswith("\n"):
        notes.append(f"Line {lines.pop().number} is cut off, as in a file that is being written: it is left out.")
    _raise_some(path, problems)
    return lines, notes


def _merged(
    path: Path, lines: Iterable[_Line], columns: Columns
) -> tuple[dict[int, dict[Field, float]], list[str], list[str]]:
    """The known fields by step, ascending, guesses and notes; cells that are no numbers are raised with their line."""
    by_step: dict[int, dict[Field, float]] = {}
    problems: list[Problem] = []
    twice: set[int] = set()
    without = unsorted = 0
    last = -1
    for count, line in enumerate(lines, 1):
        values = dict(_fields(path, line, columns, problems))
        if "step" in columns.of_field and "step" not in values:
            without += 1
            continue
        step = int(values.pop("step", count))
        if not values:
            without += 1
            continue
        unsorted += step < last
        last = step
        known = by_step.setdefault(step, {})
        if known.keys() & values.keys() & {"loss", "val_loss"}:
            twice.add(step)
        known.update(values)
    _raise_some(path, problems)
    if not by_step:
        raise InputError([Problem(str(path), "must hold steps with a loss, but no line has both.")])
    return dict(sorted(by_step.items())), list(_guessed(columns, without)), list(_changed(unsorted, twice))


def _guessed(columns: Columns, without: int) -> Iterator[str]:
    if "step" not in columns.of_field:
        yield "No column of steps: lines are counted, from 1."
    if without:
        yield f"Lines left out, for they have no step or none of these numbers: {without:,}."


def _changed(unsorted: int, twice: set[int]) -> Iterator[str]:
    if twice:
        first = f"the first is {min(twice)}"
        yield f"Steps that stand more than once, as after a resume: {len(twice):,} ({first}). The later line counts."
    if unsorted and not twice:
        yield "The steps are not in order: they were sorted."


def _fields(path: Path, line: _Line, columns: Columns, problems: list[Problem]) -> Iterator[tuple[Field, float]]:
    """The known cells of a line that hold something."""
    for field, column in columns.of_field.items():
        cell = line.cells.get(column, "")
        if cell == "" or (cell is None and field != "loss"):
            continue
        number = _number(cell)
        if number is None:
            problems.append(Problem(f"{path}:{line.number}", f"`{column}` must be a number, but is {str(cell)!r:.40}."))
        elif field == "step" and not (number >= 0 and number.is_integer()):
            problems.append(Problem(f"{path}:{line.number}", f"`{column}` must be a whole number, but is {cell}."))
        else:
            yield field, number


def _number(cell: Any) -> float | None:
    """The number in a cell, which may be NaN or infinite; None where there is none."""
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    text = str(cell).strip().lower()
    try:
        return _NOT_NUMBERS[text] if text in _NOT_NUMBERS else float(text)
    except ValueError:
        return None


def _curve(by_step: Mapping[int, Mapping[Field, float]]) -> Curve:
    trained = {step: values for step, values in by_step.items() if "loss" in values}

    def column(field: Field) -> list[float]:
        values = [values.get(field, math.nan) for values in trained.values()]
        return values if any(field in values for values in trained.values()) else []

    tokens = column("tokens")
    if not tokens and (pace := column("tokens_per_s")) and (seconds := column("step_s")):
        tokens = [round(a * b) if math.isfinite(a * b) else math.nan for a, b in zip(pace, seconds, strict=True)]
    return Curve(
        steps=list(trained),
        losses=column("loss"),
        tokens=tokens,
        learning_rates=column("lr"),
        grad_norms=column("grad_norm"),
        epochs=column("epoch"),
        held_out=[(step, values["val_loss"]) for step, values in by_step.items() if "val_loss" in values],
        skipped=int(max((v for v in column("skipped") if math.isfinite(v)), default=0)),
    )


def _raise_some(path: Path, problems: list[Problem]) -> None:
    """Raises the problems, the first ones one by one."""
    more = len(problems) - MOST_PROBLEMS
    rest = [Problem(str(path), f"{more:,} more lines have such faults.")] if more > 0 else []
    raise_all([*problems[:MOST_PROBLEMS], *rest])
