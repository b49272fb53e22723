"""The row formats: from a record's fields to a `Row`.

    alpaca    {"instruction": ..., "input": ... (may be missing or empty), "output": ...}
    messages  {"messages": [{"role": "user", "content": ...}, ...]}
    sharegpt  {"conversations": [{"from": "human", "value": ...}, ...]}
    text      {"text": ...}

What is read as text is `values`'s to say, the turns of a conversation are `turns`'s. Which file a record comes from is
not known here.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from ftlab.data.fields import advise
from ftlab.data.row import Message, Row
from ftlab.data.turns import read_turns
from ftlab.data.values import RowFault, filled, text_of
from ftlab.problem import Problem, raise_all

RowFormat = Literal["alpaca", "messages", "sharegpt", "text"]

FIELDS: dict[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "input", "output"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "text": ("text",),
}
"""The fields of each format, by our names."""

OPTIONAL = frozenset({"input"})

PROMPT = "{instruction}\n\n{input}"


class RowSchema:
    """Turns records of one format into rows.

    Args:
        row_format: One of the four formats.
        columns: What our fields are called in the records; fields left out have our names. An optional field whose
            name another field has taken (`columns.instruction=input`) isn't read.
        prompt: The user turn of an alpaca row; a row without input has its instruction alone.

    Attributes:
        used: The records' fields that are read; all others are ignored.

    Raises:
        InputError: A setting names no format or no field, or the prompt leaves a field out.
    """

    def __init__(self, row_format: str, *, columns: Mapping[str, str] | None = None, prompt: str = PROMPT) -> None:
        columns = dict(columns or {})
        raise_all(_setting_problems(row_format, columns, prompt))
        self._format = row_format
        names = {field: columns.get(field) or field for field in FIELDS[row_format]}
        needed = {name for field, name in names.items() if field not in OPTIONAL}
        self._columns = {field: name for field, name in names.items() if field not in OPTIONAL or name not in needed}
        self._prompt = prompt
        self.used = frozenset(self._columns.values())

    def to_row(self, fields: Mapping[str, Any], *, row_id: int, origin: str) -> Row:
        """Makes a row of a record.

        Args:
            fields: The record.
            row_id: The row's number.
            origin: Where the record stands.

        Returns:
            The row.

        Raises:
            RowFault: A field is missing, empty or of a type that can't be read.
        """
        self._check_names(fields)
        values = {field: fields.get(name) for field, name in self._columns.items()}
        if self._format == "text":
            return Row(row_id, origin, text=filled(values["text"], self._columns["text"]))
        if self._format == "alpaca":
            return Row(row_id, origin, messages=self._alpaca(values))
        name = self._columns[FIELDS[self._format][0]]
        return Row(row_id, origin, messages=read_turns(fields[name], name, self._format))

    def _check_names(self, fields: Mapping[str, Any]) -> None:
        missing = [
            field
            for field, name in self._columns.items()
            if name not in fields and not (field in OPTIONAL and name == field)
        ]
        if missing:
            wanted = ", ".join(f"`{self._columns[field]}`" for field in missing)
            found = ", ".join(f"`{name}`" for name in fields) or "none"
            what = f"the field{'s' * (len(missing) > 1)} {wanted} must be there, but the row's fields are {found}."
            taken = {name for field, name in self._columns.items() if field not in missing and field not in OPTIONAL}
            free = [name for name in fields if name not in taken]
            raise RowFault(what, advise(missing, free, self._format), same_as=("fields", *sorted(fields)))

    def _alpaca(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        extra = text_of(values.get("input"), self._columns.get("input", "input"))
        if not extra.strip():
            question = filled(values["instruction"], self._columns["instruction"])
        else:
            parts = {"instruction": text_of(values["instruction"], self._columns["instruction"]), "input": extra}
            question = re.sub(r"\{(instruction|input)\}", lambda match: parts[match[1]], self._prompt)
            question = question if parts["instruction"].strip() else extra
        return Message("user", question), Message("assistant", filled(values["output"], self._columns["output"]))


def _setting_problems(row_format: str, columns: Mapping[str, str], prompt: str) -> list[Problem]:
    if row_format not in FIELDS:
        known = ", ".join(get_args(RowFormat))
        return [Problem("data.format", f"must be one of {known}, but is '{row_format}'.")]
    fields = {field for names in FIELDS.values() for field in names}
    what = f"must be one of {', '.join(sorted(fields))}."
    problems = [Problem(f"data.columns.{name}", what) for name in sorted(set(columns) - fields)]
    missing = [f"{{{field}}}" for field in ("instruction", "input") if f"{{{field}}}" not in prompt]
    if row_format == "alpaca" and missing:
        problems.append(Problem("data.prompt", f"must hold {' and '.join(missing)}, but is {prompt!r}."))
    return problems
