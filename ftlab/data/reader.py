"""Turns the records of one file into rows, and says everything about them that is worth knowing.

In: `Record`s. Out: `Row`s; what is wrong with a record is a fault and what was decided for the user a note, both with
their codes. With the format `auto` the first records decide what the file's rows look like.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from ftlab.data.faults import Faults
from ftlab.data.fields import FIELDS
from ftlab.data.guess import Guess, guess, guess_one
from ftlab.data.records import Record
from ftlab.data.row import Row
from ftlab.data.schema import MISSING, MIXED, PROMPT, RowSchema
from ftlab.data.values import RowFault
from ftlab.problem import Problem

AUTO = "auto"

AS_JSON, UNREAD, GUESSED = "FT119", "FT120", "FT121"

LOOKED_AT = 100
"""Records by which a file's format is known."""

_NAMES = 100
"""Different names of unread fields that are counted; a file may hold a new one in each row."""

_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}


def recognise(head: Sequence[Record], row_format: str, columns: Mapping[str, str] | None) -> Guess:
    """Says what the rows of a file look like.

    Args:
        head: The file's first records.
        row_format: The format, or `auto` to go by the fields.
        columns: What our fields are called; one that has its own name may be guessed with `auto`.

    Returns:
        The format and its names; `alpaca` with our names where no record looks like anything.
    """
    columns = {field: name for field, name in (columns or {}).items() if name and name != field}
    found = guess([record.fields for record in head], columns) if row_format == AUTO else None
    if found:
        return found
    name = "alpaca" if row_format == AUTO else row_format
    return Guess(name, tuple((field, columns.get(field, field)) for field in FIELDS[name]))


class RowReader:
    """Reads rows of one format; with `auto`, of each file's own.

    Args:
        row_format: `auto`, or one of `ftlab.data.schema.RowFormat`.
        columns: What our fields are called in the records.
        prompt: The user turn of an alpaca row.

    Attributes:
        unread: Fields that no format reads, and in how many rows they stand.

    Raises:
        InputError: A setting names no format or no field, or the prompt leaves a field out.
    """

    def __init__(
        self, row_format: str = AUTO, *, columns: Mapping[str, str] | None = None, prompt: str = PROMPT
    ) -> None:
        self._schema = RowSchema("alpaca" if row_format == AUTO else row_format, columns=columns, prompt=prompt)
        self._format = row_format
        self._columns = dict(columns or {})
        self._prompt = prompt
        self.unread: Counter[str] = Counter()

    def rows(self, records: Iterable[Record], ids: Iterator[int], faults: Faults) -> Iterator[Row]:
        """Makes rows of the records of one file.

        Args:
            records: In the file's order.
            ids: Gives each record its number, also those that are no rows.
            faults: Takes what is wrong, and the notes.

        Yields:
            The rows.
        """
        records = iter(records)
        head = list(islice(records, LOOKED_AT)) if self._format == AUTO else []
        schema, row_format = self._recognised(head, faults)
        written: Counter[tuple[str, str]] = Counter()
        unread: Counter[str] = Counter()
        first: dict[object, str] = {}
        good = 0
        for record in chain(head, records):
            row_id = next(ids)
            try:
                row = schema.to_row(record.fields, row_id=row_id, origin=record.origin)
            except RowFault as fault:
                fault = self._mixed(record.fields, row_format, fault) if good or head else fault
                problem = Problem(record.origin, fault.what, fault.fix, fault.code)
                faults.add(problem, same_as=fault.same_as, row_id=row_id)
                continue
            good += 1
            if record.note:
                faults.note(record.note, row_id)
            for name in record.fields:
                if name not in schema.used and (name in unread or len(unread) < _NAMES):
                    unread[name] += 1
                    first.setdefault(name, record.origin)
            for found in _not_text(record.fields, schema.used):
                written[found] += 1
                first.setdefault(found, record.origin)
            yield row
        _note_counts(written, unread, first, faults)
        self.unread += unread

    def _recognised(self, head: list[Record], faults: Faults) -> tuple[RowSchema, str]:
        """How to read a file that begins with these records."""
        if not head:
            return self._schema, "alpaca" if self._format == AUTO else self._format
        found = recognise(head, self._format, self._columns)
        guessed = {field: name for field, name in found.renamed.items() if self._columns.get(field) != name}
        if guessed:
            file = head[0].origin.rpartition(":")[0]
            how = ", ".join(f"`{field}` is read from `{name}`" for field, name in guessed.items())
            settings = "".join(f" data.columns.{field}={name}" for field, name in found.renamed.items())
            what = f"the rows were taken for {found.row_format} rows: {how}."
            faults.note(Problem(file, what, f"If that is right, say so: data={found.row_format}{settings}.", GUESSED))
        schema = RowSchema(found.row_format, columns=dict(found.columns), prompt=self._prompt, may_lack=guessed)
        return schema, found.row_format

    def _mixed(self, fields: Mapping[str, Any], row_format: str, fault: RowFault) -> RowFault:
        """The fault, or where the row is of another format than its file's others, that."""
        other = guess_one(fields, {}) if fault.code == MISSING else None
        if other is None or other.renamed or other.row_format == row_format:
            return fault
        what = f"must be a row of the format {row_format}, as the file's others are, but is one of {other.row_format}."
        fix = "Put the rows of each format into a file of their own: a folder of files is read with data.format=auto."
        return RowFault(what, fix, ("mixed", other.row_format), MIXED)


def _not_text(fields: Mapping[str, Any], used: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Fields whose value is written as JSON, and what it is; lists of turns are read, not written."""
    for name in used:
        value = fields.get(name)
        if isinstance(value, str) or value is None:
            continue
        if not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield name, _KINDS.get(type(value), f"a {type(value).__name__}")
            continue
        for turn in value:
            content = turn.get("content", turn.get("value")) if isinstance(turn, Mapping) else None
            if isinstance(content, dict | bool | int | float):
                yield f"{name}[].content", _KINDS[type(content)]


def _note_counts(
    written: Mapping[tuple[str, str], int], unread: Mapping[str, int], first: Mapping[object, str], faults: Faults
) -> None:
    """One note for each field that is written as JSON, and for each that isn't used, at the first row that has it."""
    for (name, kind), count in written.items():
        what = f"`{name}` holds {kind}, not text, in {_rows(count)}; it is written as JSON."
        faults.note(Problem(first[name, kind], what, code=AS_JSON))
    for name, count in unread.items():
        faults.note(Problem(first[name], f"`{name}` stands in {_rows(count)} and isn't used.", code=UNREAD))


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
