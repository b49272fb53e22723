"""Where rows come from: files, the hub or the embedded demo; and which are held out.

In: the `data` keys of the config. Out: `Splits` of `Row`s, or one `InputError` with everything that is wrong in all
files. Nothing is dropped or repaired; whatever is decided for the user stands in `Splits.notes`. Tokens come later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import count
from pathlib import Path

from ftlab.data.faults import Faults
from ftlab.data.files import DataFile, find_files
from ftlab.data.hub import read_hub
from ftlab.data.reader import RowReader
from ftlab.data.records import Record, read_records
from ftlab.data.row import Row
from ftlab.data.schema import PROMPT
from ftlab.data.split import deal
from ftlab.problem import Problem, raise_all

DEMO_SPLITS = ("train", "validation", "test")


@dataclass(slots=True)
class Splits:
    """The rows of a run. Ids are unique over all three.

    Attributes:
        train: At least one row.
        validation: Held out, for evaluation during training; may be empty.
        test: Held out, for evaluation before and after; may be empty.
        notes: What was decided for the user, one sentence each, to be printed once.
    """

    train: list[Row]
    validation: list[Row]
    test: list[Row]
    notes: list[str] = field(default_factory=list)


def read_splits(
    *,
    path: str | None = None,
    validation_path: str | None = None,
    test_path: str | None = None,
    row_format: str = "alpaca",
    file_format: str = "auto",
    hub_id: str | None = None,
    hub_config: str | None = None,
    hub_split: str | None = None,
    validation_fraction: float = 0.1,
    split_seed: int = 1,
    columns: Mapping[str, str] | None = None,
    prompt: str = PROMPT,
) -> Splits:
    """Reads all rows of a run.

    Args:
        path: Training rows: file, folder or glob. None with no `hub_id`: the embedded demo.
        validation_path: Validation rows; None holds out `validation_fraction` of the training rows.
        test_path: Test rows; None holds out as much again.
        row_format: `auto` (by each file's fields), or one of `ftlab.data.schema.RowFormat`.
        file_format: `jsonl`, `json`, `csv`, `parquet`, or `auto` by each file's ending.
        hub_id: A data set of the hub, in place of `path`.
        hub_config: Its configuration.
        hub_split: Its split.
        validation_fraction: Share of the rows held out where no file is given, at least 0 and less than 0.5.
        split_seed: Fixes which rows are held out.
        columns: What our fields are called in the files.
        prompt: The user turn of an alpaca row.

    Returns:
        The rows and what was decided.

    Raises:
        InputError: Everything that is wrong in the settings, or in all files.
    """
    rows_of = RowReader(row_format, columns=columns, prompt=prompt)
    raise_all(_setting_problems(path, hub_id, validation_path or test_path, validation_fraction))
    if path is None and hub_id is None:
        return _read_demo()
    reader = _Reader(rows_of, file_format)
    rows = reader.hub(hub_id, hub_config, hub_split) if hub_id else reader.files("data.path", path or "")
    validation = reader.files("data.validation_path", validation_path) if validation_path else []
    test = reader.files("data.test_path", test_path) if test_path else []
    reader.raise_all()
    train, held_validation, held_test = deal(
        rows,
        validation=0.0 if validation_path else validation_fraction,
        test=0.0 if test_path else validation_fraction,
        seed=split_seed,
    )
    splits = Splits(train, validation or held_validation, test or held_test, reader.notes())
    splits.notes += _held_out_notes(splits, len(rows), validation_path, test_path, validation_fraction, split_seed)
    return splits


def read_rows(
    path: str, *, row_format: str = "alpaca", file_format: str = "auto", columns: Mapping[str, str] | None = None
) -> list[Row]:
    """Reads the rows of a file, folder or glob, numbered from 0.

    Raises:
        InputError: Everything that is wrong in the settings, or in all files.
    """
    reader = _Reader(RowReader(row_format, columns=columns), file_format)
    rows = reader.files("data.path", path)
    reader.raise_all()
    return rows


class _Reader:
    """Reads sources one after another: numbers the rows through, collects the faults and the fields left unread."""

    def __init__(self, rows_of: RowReader, file_format: str) -> None:
        self._rows_of = rows_of
        self._file_format = file_format
        self._ids = count()
        self._problems: list[Problem] = []
        self._keys: dict[Path, str] = {}

    def files(self, key: str, path: str) -> list[Row]:
        found, problems = find_files(key, path, self._file_format)
        self._problems += problems
        rows: list[Row] = []
        for file in found:
            if (other := self._keys.setdefault(file.path.resolve(), key)) != key:
                what = f"must not name a file that {other} names, too, but both name '{file.shown}'."
                self._problems.append(Problem(key, what, "Rows that are trained on can't be held out."))
                continue
            rows += self.file(file)
        return rows

    def file(self, file: DataFile) -> list[Row]:
        faults = Faults()
        rows = self._rows(read_records(file, faults), faults)
        if not rows and not len(faults):
            faults.add(Problem(file.shown, "must hold rows, but holds none."))
        self._problems += faults.problems()
        return rows

    def hub(self, hub_id: str, config: str | None, split: str | None) -> list[Row]:
        faults = Faults()
        rows = self._rows(read_hub(hub_id, config, split, faults), faults)
        self._problems += faults.problems()
        return rows

    def raise_all(self) -> None:
        raise_all(self._problems)

    def notes(self) -> list[str]:
        if not self._rows_of.unread:
            return []
        return [f"These fields of the data aren't used: {', '.join(self._rows_of.unread)}."]

    def _rows(self, records: Iterable[Record], faults: Faults) -> list[Row]:
        return list(self._rows_of.rows(records, self._ids, faults))


def _read_demo() -> Splits:
    """The embedded rows, in their own three files."""
    reader = _Reader(RowReader("alpaca"), "jsonl")
    with as_file(files("ftlab.data") / "demo") as folder:
        train, validation, test = [
            reader.file(DataFile(folder / f"{name}.jsonl", "jsonl", f"demo/{name}.jsonl")) for name in DEMO_SPLITS
        ]
    reader.raise_all()
    return Splits(train, validation, test)


def _setting_problems(
    path: str | None, hub_id: str | None, held_out_path: str | None, validation_fraction: float
) -> list[Problem]:
    problems = []
    if path is None and hub_id is None and held_out_path is not None:
        what = f"must be set where held-out rows are ('{held_out_path}'), but is null (the demo, which has its own)."
        problems.append(Problem("data.path", what))
    if path is not None and hub_id is not None:
        problems.append(Problem("data.hub_id", "must not be set together with data.path.", "Set one of them to null."))
    if not 0 <= validation_fraction < 0.5:
        what = f"must be at least 0 and less than 0.5, but is {validation_fraction}."
        problems.append(Problem("data.validation_fraction", what))
    return problems


def _held_out_notes(
    splits: Splits, rows: int, validation_path: str | None, test_path: str | None, fraction: float, seed: int
) -> list[str]:
    notes = []
    for name, given, held in (
        ("validation", validation_path, splits.validation),
        ("test", test_path, splits.test),
    ):
        if given:
            continue
        if held:
            how = f"data.validation_fraction={fraction}, data.split_seed={seed}"
            notes.append(f"No {name} file: {len(held)} of {rows} rows are held out for it ({how}).")
        else:
            why = "data.validation_fraction=0" if fraction == 0 else f"too few different rows ({rows})"
            notes.append(f"No {name} rows: no file is given, and {why}.")
    return notes
