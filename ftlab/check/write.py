"""Writes the cleaned set and its change log; the original is read again, and never touched.

In: the files in the order in which they were read, the plan (`Cleaning`), and what mends a text. Out: a JSON Lines file
with the original's own fields, and a change log with a line for each row that is left out or changed. Equal input
gives equal bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import IO, Any

from ftlab.check.cleaning import Cleaning
from ftlab.check.finding import Finding
from ftlab.data.faults import Faults
from ftlab.data.files import DataFile
from ftlab.data.reader import LOOKED_AT, recognise
from ftlab.data.records import Record, read_records
from ftlab.data.row import Message, Row
from ftlab.data.values import NO_TEXT
from ftlab.problem import InputError, Problem

Mend = Callable[[Row, str], Row]
"""Mends a row for one code."""

_ROLES = {"output": "assistant", "completion": "assistant"}
_SPEAKERS = {"gpt": "assistant", "chatgpt": "assistant", "human": "user"}


@dataclass(frozen=True, slots=True)
class Original:
    """A file of the original set.

    Attributes:
        file: The file.
        target: Where its cleaned rows go.
        row_format: Its rows' format, or `auto`.
        columns: What our fields are called in it.
    """

    file: DataFile
    target: Path
    row_format: str
    columns: Mapping[str, str]


def check_targets(path: Path, targets: Iterable[Path], inputs: Iterable[Path]) -> list[Problem]:
    """Looks at the places to write to.

    Args:
        path: What the user named.
        targets: All files that would be written.
        inputs: The files that are read.

    Returns:
        What is wrong.
    """
    taken = {file.resolve() for file in inputs}
    for target in targets:
        if target.resolve() in taken:
            what = f"must not name a file that is read, but '{target}' is one: the original is never touched."
            return [Problem("check.write", what, "Choose another name.")]
    if path.suffix != ".jsonl":
        return [Problem("check.write", f"must end in .jsonl, but is '{path}'.")]
    if path.is_dir() or not path.absolute().parent.is_dir():
        return [Problem("check.write", f"must be a file in a folder that exists, but is '{path}'.")]
    return []


def beside(path: Path, what: str) -> Path:
    """Returns the name of a further file of a cleaned set, such as its `changes`."""
    return path.with_name(f"{path.stem}.{what}.jsonl")


def write_clean(changes: Path, originals: Sequence[Original], plan: Cleaning, mend: Mend) -> None:
    """Writes the cleaned set and the change log.

    Args:
        changes: The change log.
        originals: What the set is made of, all of it, in the order in which it was read.
        plan: What becomes of each row.
        mend: Mends a row for a code.

    Raises:
        InputError: A file can't be written.
    """
    try:
        with ExitStack() as stack:
            log = stack.enter_context(changes.open("w", encoding="utf-8"))
            targets = dict.fromkeys(original.target for original in originals)
            clean = {target: stack.enter_context(target.open("w", encoding="utf-8")) for target in targets}
            ids = count()
            for original in originals:
                _write_file(original, ids, plan, mend, clean[original.target], log)
    except OSError as error:
        raise InputError([Problem("check.write", f"can't be written: {error}.")]) from error


def _write_file(
    original: Original, ids: Iterator[int], plan: Cleaning, mend: Mend, clean: IO[str], changes: IO[str]
) -> None:
    head = list(islice(read_records(original.file, Faults()), LOOKED_AT))
    columns = dict(recognise(head, original.row_format, original.columns).columns)
    faults, told = Faults(), 0
    for record in read_records(original.file, faults):
        row_id = next(ids)
        told = _log_faults(faults, told, changes)
        if dropped := plan.drops.get(row_id):
            _log(changes, record.origin, "dropped", dropped)
            continue
        try:
            fields, done = _mended(record, columns, plan.mends.get(row_id, []), mend)
            line = _line(fields)
        except (ValueError, RecursionError):
            _log(changes, record.origin, "dropped", Finding(NO_TEXT, record.origin, "can't be written as JSON."))
            continue
        for finding in done:
            _log(changes, record.origin, "changed", finding)
        clean.write(f"{line}\n")
    _log_faults(faults, told, changes)


def _log_faults(faults: Faults, told: int, changes: IO[str]) -> int:
    """Logs the lines that are no rows and came since `told`."""
    for problem, _ in islice(faults.rows, told, None):
        _log(changes, problem.where, "dropped", Finding(problem.code, problem.where, problem.what))
    return len(faults)


def _log(changes: IO[str], origin: str, action: str, finding: Finding) -> None:
    line = {"origin": origin, "action": action, "code": finding.code, "what": finding.what}
    changes.write(f"{_line(line)}\n")


def _line(value: Any) -> str:
    """JSON of one line; where a text holds half a character, that is escaped."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return line if _is_text(line) else json.dumps(value, allow_nan=False)


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mended(
    record: Record, columns: Mapping[str, str], mends: Sequence[Finding], mend: Mend
) -> tuple[dict[str, Any], list[Finding]]:
    """The record with its values mended, and the findings that changed something."""
    fields, done = record.fields, []
    for finding in mends:
        made = dict(fields)
        of_code = partial(_for_code, mend, finding.code)
        for field, name in columns.items():
            if name in made:
                made[name] = _value(made[name], _ROLES.get(field, "user"), of_code)
        if made != fields or (record.note and record.note.code == finding.code):
            done.append(finding)
        fields = made
    return fields, done


def _for_code(mend: Mend, code: str, row: Row) -> Row:
    return mend(row, code)


def _value(value: Any, role: str, mend: Callable[[Row], Row]) -> Any:
    """A field's value with all its texts mended: a text, or turns, or an object that holds texts."""
    if isinstance(value, str):
        return mend(Row(0, "", messages=(Message(role, value),))).messages[0].content
    if isinstance(value, list):
        return [_value(part, role, mend) for part in value]
    if isinstance(value, Mapping):
        speaker = value.get("role", value.get("from"))
        role = _SPEAKERS.get(str(speaker), str(speaker)) if speaker else role
        return {key: part if key in ("role", "from") else _value(part, role, mend) for key, part in value.items()}
    return value


def changed_rows(
    rows: Iterable[Row], mends: Mapping[int, Sequence[Finding]], mend: Mend, always: frozenset[str]
) -> Iterator[tuple[int, str]]:
    """Yields the rows that mending changes, with the first code that does.

    Args:
        rows: All rows.
        mends: What is to be mended, by row.
        mend: Mends a row for a code.
        always: Codes of which reading alone has mended the row.
    """
    for row in rows:
        for finding in mends.get(row.id, ()):
            if finding.code in always or mend(row, finding.code) != row:
                yield row.id, finding.code
                break
