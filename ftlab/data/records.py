"""Reads files into records: one mapping of field names to values for each row, with the line where it stands.

In: files that exist. Out: `Record`s; every line that can't be read is a fault, and reading goes on behind it. What
the fields mean is `schema`'s. JSONL, JSON and CSV are read here, since a library that reads a whole column can't name
a line, and guesses types ("007" would become 7, "NA" nothing); Parquet goes through `datasets`.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.data.faults import Faults
from ftlab.data.files import NO_ROWS, OTHER_FORMAT, DataFile
from ftlab.problem import Problem

BROKEN, NO_OBJECT, ENCODING, BROKEN_CSV = "FT101", "FT102", "FT103", "FT106"
TWICE, MARK = "FT122", "FT123"
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t"
_MAX_FIELD_CHARS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Record:
    """One row as its file holds it.

    Attributes:
        origin: `file:line`.
        fields: The fields' values by name.
        note: What is odd about it; None where nothing is.
    """

    origin: str
    fields: dict[str, Any]
    note: Problem | None = None


def read_records(file: DataFile, faults: Faults) -> Iterator[Record]:
    """Reads one file.

    Args:
        file: An existing file.
        faults: Takes what is wrong.

    Yields:
        The records that can be read, in the file's order.
    """
    readers: dict[str, Callable[[DataFile, Faults], Iterator[Record]]] = {
        "jsonl": _read_jsonl,
        "json": _read_json,
        "csv": _read_csv,
        "parquet": _read_parquet,
    }
    yield from readers[file.format](file, faults)


def _lines(path: Path, shown: str, faults: Faults) -> Iterator[tuple[int, str]]:
    """Numbered lines as UTF-8; a line in another encoding is a fault and comes empty."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            content = raw.removeprefix(_BOM)
            if len(content) < len(raw):
                faults.note(
                    Problem(f"{shown}:{number}", "begins with a byte order mark, which is left out.", code=MARK)
                )
            try:
                yield number, content.decode()
            except UnicodeDecodeError as error:
                what = f"must be UTF-8, but byte {error.start + 1} of the line is 0x{content[error.start]:02x}."
                fix = "If it comes from Windows, convert the file: iconv -f WINDOWS-1252 -t UTF-8."
                faults.add(Problem(f"{shown}:{number}", what, fix, ENCODING), same_as="encoding")
                yield number, ""


def _read_jsonl(file: DataFile, faults: Faults) -> Iterator[Record]:
    is_first, decoder = True, _Decoder()
    for number, line in _lines(file.path, file.shown, faults):
        if not line.strip():
            continue
        was_first, is_first = is_first, False
        origin = f"{file.shown}:{number}"
        try:
            value = decoder.decode(line.rstrip("\r\n"))  # a text that is cut off isn't one that holds a line break
        except (ValueError, RecursionError) as error:
            if was_first and (problem := _other_format(origin, line)):
                faults.add(problem)
                return
            what = f"must be a JSON object on one line, but is broken: {_reason(error)}."
            faults.add(Problem(origin, what, _mend_advice(line), BROKEN))
            continue
        if was_first and isinstance(value, list):
            faults.add(_whole_json(origin, "a JSON array"))
            return
        yield from _record(origin, value, decoder, faults)


def _read_json(file: DataFile, faults: Faults) -> Iterator[Record]:
    """An array of objects, or objects one after another, each with the line on which it begins."""
    text = "".join(line for _, line in _lines(file.path, file.shown, faults))
    decoder = _Decoder()
    place, line, seen = _skip(text, 0), 1, 0
    closing = "]" if text[place : place + 1] == "[" else ""
    place += len(closing)
    while (place := _skip(text, place)) < len(text) and text[place] != closing:
        line, seen = line + text.count("\n", seen, place), place
        origin = f"{file.shown}:{line}"
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            if not closing and line == 1 and (problem := _csv_problem(origin, text[place:].split("\n", 1)[0])):
                faults.add(problem)
                return
            at = getattr(error, "pos", place)
            where = f"{file.shown}:{text.count(chr(10), 0, at) + 1}"
            what = f"must be JSON, but is broken: {_reason(error)}; what follows isn't read."
            faults.add(Problem(where, what, _mend_advice(text[place : place + 200]), BROKEN))
            return
        yield from _record(origin, value, decoder, faults)
        place = _skip(text, place)
        place += text[place : place + 1] == "," and bool(closing)
    if closing and (behind := _skip(text, place + 1)) < len(text):
        where = f"{file.shown}:{text.count(chr(10), 0, behind) + 1}"
        what = "must be one JSON array, but more stands behind its end."
        faults.add(Problem(where, what, "Put all rows into one.", BROKEN))
    if closing and place >= len(text):
        what = "must be a JSON array, but its closing ] is missing."
        faults.add(Problem(file.shown, what, "Is the file cut off?", BROKEN))


def _read_csv(file: DataFile, faults: Faults) -> Iterator[Record]:
    """The first line names the fields; a field in quotes may hold line breaks."""
    csv.field_size_limit(_MAX_FIELD_CHARS)
    with file.path.open("rb") as opened:
        head = opened.readline().decode(errors="replace")
    if head.lstrip("\ufeff \t").startswith("{"):
        faults.add(Problem(f"{file.shown}:1", "must be CSV, but is JSON.", "Set data.file_format=jsonl.", OTHER_FORMAT))
        return
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader((line for _, line in _lines(file.path, file.shown, faults)), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if twice := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
            what = f"must name each field once, but names {', '.join(map(repr, twice))} twice."
            faults.add(Problem(f"{file.shown}:1", what, "Rename one of them in the first line.", BROKEN_CSV))
            return
        line = reader.line_num + 1
        for values in reader:
            origin, line = f"{file.shown}:{line}", reader.line_num + 1
            if len(values) == len(names):
                yield Record(origin, dict(zip(names, values, strict=True)))
            elif values:
                what = f"must have {len(names)} fields as line 1 has, but has {len(values)}."
                faults.add(Problem(origin, what, 'Put fields that hold the delimiter in "quotes".', BROKEN_CSV))
    except csv.Error as error:
        what = f"must be CSV, but is broken: {error}; what follows isn't read."
        faults.add(Problem(f"{file.shown}:{reader.line_num}", what, code=BROKEN_CSV))


def _read_parquet(file: DataFile, faults: Faults) -> Iterator[Record]:
    import datasets  # here, since it takes two seconds that JSONL needn't pay
    import pyarrow  # type: ignore[import-untyped]

    try:
        rows = datasets.load_dataset("parquet", data_files={"rows": str(file.path)}, split="rows", streaming=True)
        for number, row in enumerate(rows, 1):
            yield Record(f"{file.shown}:{number}", dict(row))
    except (OSError, ValueError, pyarrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        faults.add(Problem(file.shown, f"must be a Parquet file, but can't be read: {error}", code=NO_ROWS))


class _Decoder(json.JSONDecoder):
    """JSON as the standard says: no NaN, and keys that stand twice in an object are noted in `twice`."""

    def __init__(self) -> None:
        super().__init__(parse_constant=self._constant, object_pairs_hook=self._object)
        self.twice: dict[str, None] = {}

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            self.twice |= dict.fromkeys(name for name in made if names.count(name) > 1)
        return made

    def _constant(self, name: str) -> None:
        raise ValueError(f"{name} is no JSON value")


def _record(origin: str, value: Any, decoder: _Decoder, faults: Faults) -> Iterator[Record]:
    twice = ", ".join(f"`{name}`" for name in decoder.twice)
    decoder.twice.clear()
    if not isinstance(value, dict):
        what = f'must be a JSON object, {{"field": ...}}, but is {_kind(value)}.'
        faults.add(Problem(origin, what, code=NO_OBJECT))
        return
    what = f"has {twice} more than once in an object; the last value counts."
    yield Record(origin, value, Problem(origin, what, "Keep one of them.", TWICE) if twice else None)


def _kind(value: Any) -> str:
    """What a JSON value is, in JSON's own words."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a number"


def _mend_advice(text: str) -> str:
    """What to do about JSON as a human or Python wrote it."""
    begin = text.lstrip()
    if begin.startswith("{'"):
        return 'Write it with json.dumps: JSON has "double quotes" only.'
    if text.count('"') % 2:
        return "A text isn't closed: is the line cut off, or does a line break stand in a text (written \\n)?"
    if text.rstrip().endswith(",}"):
        return "Remove the comma before the closing brace."
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition(": value has")[0]  # of a number that is too long Python goes on with advice on Python


def _skip(text: str, place: int) -> int:
    """The place of the next character that isn't white space."""
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _other_format(origin: str, line: str) -> Problem | None:
    """What the file is instead, as its first line shows, when that isn't JSON."""
    begin = line.lstrip()
    if begin.startswith("[") or begin.rstrip() == "{":
        return _whole_json(origin, "JSON over many lines")
    return _csv_problem(origin, line)


def _csv_problem(origin: str, line: str) -> Problem | None:
    if line.lstrip()[:1] not in ("{", "[") and any(delimiter in line for delimiter in _DELIMITERS):
        return Problem(origin, "must be JSON, but the file looks like CSV.", "Set data.file_format=csv.", OTHER_FORMAT)
    return None


def _whole_json(origin: str, what: str) -> Problem:
    text = f"must be one JSON object a line, but the file is {what}."
    return Problem(origin, text, "Set data.file_format=json.", OTHER_FORMAT)
