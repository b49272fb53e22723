"""The row formats: from a record's fields to a `Row`.

    alpaca             {"instruction": ..., "input": ... (may be missing or empty), "output": ...}
    prompt-completion  {"prompt": ..., "completion": ...}, each a text or a list of turns
    messages           {"messages": [{"role": "user", "content": ...}, ...], "tools": [...] (may be missing)}
    sharegpt           {"conversations": [{"from": "human", "value": ...}, ...], "tools": [...] (may be missing)}
    text               {"text": ...}

What is read as text is `values`'s to say, the turns of a conversation are `turns`'s. Which file a record comes from is
not known here.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from ftlab.data.fields import FIELDS, OPTIONAL, advise
from ftlab.data.row import Message, Row
from ftlab.data.tools import read_tools
from ftlab.data.turns import read_turns
from ftlab.data.values import EMPTY_ANSWER, EMPTY_QUESTION, RowFault, filled, text_of
from ftlab.problem import Problem, raise_all

RowFormat = Literal["alpaca", "prompt-completion", "messages", "sharegpt", "text"]

MISSING, MIXED = "FT107", "FT113"

PROMPT = "{instruction}\n\n{input}"


class RowSchema:
    """Turns records of one format into rows.

    Args:
        row_format: One of the formats.
        columns: What our fields are called in the records; fields left out have our names. An optional field whose
            name another field has taken (`columns.instruction=input`) isn't read.
        prompt: The user turn of an alpaca row; a row without input has its instruction alone.
        may_lack: Optional fields that a record may lack although they are mapped, since the mapping is a guess.

    Attributes:
        used: The records' fields that are read; all others are ignored.

    Raises:
        InputError: A setting names no format or no field, or the prompt leaves a field out.
    """

    def __init__(
        self,
        row_format: str,
        *,
        columns: Mapping[str, str] | None = None,
        prompt: str = PROMPT,
        may_lack: Collection[str] = (),
    ) -> None:
        columns = dict(columns or {})
        raise_all(_setting_problems(row_format, columns, prompt))
        self._format = row_format
        names = {field: columns.get(field) or field for field in FIELDS[row_format]}
        needed = {name for field, name in names.items() if field not in OPTIONAL}
        self._columns = {field: name for field, name in names.items() if field not in OPTIONAL or name not in needed}
        self._prompt = prompt
        self._may_lack = ({field for field, name in names.items() if name == field} | set(may_lack)) & OPTIONAL
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
        if self._format == "prompt-completion":
            return Row(row_id, origin, messages=self._pair(values))
        field = FIELDS[self._format][0]
        tools = read_tools(values["tools"], self._columns["tools"])
        return Row(row_id, origin, messages=read_turns(values[field], self._columns[field], self._format), tools=tools)

    def _check_names(self, fields: Mapping[str, Any]) -> None:
        missing = [field for field, name in self._columns.items() if name not in fields and field not in self._may_lack]
        if missing:
            wanted = ", ".join(f"`{self._columns[field]}`" for field in missing)
            found = ", ".join(f"`{name}`" for name in fields) or "none"
            what = f"the field{'s' * (len(missing) > 1)} {wanted} must be there, but the row's fields are {found}."
            taken = {name for field, name in self._columns.items() if field not in missing and field not in OPTIONAL}
            free = [name for name in fields if name not in taken]
            fix = advise(missing, free, self._format)
            raise RowFault(what, fix, same_as=("fields", *sorted(fields)), code=MISSING)

    def _alpaca(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        extra = text_of(values.get("input"), self._columns.get("input", "input"))
        if not extra.strip():
            question = filled(values["instruction"], self._columns["instruction"], empty=EMPTY_QUESTION)
        else:
            parts = {"instruction": text_of(values["instruction"], self._columns["instruction"]), "input": extra}
            question = re.sub(r"\{(instruction|input)\}", lambda match: parts[match[1]], self._prompt)
            question = question if parts["instruction"].strip() else extra
        return Message("user", question), Message("assistant", filled(values["output"], self._columns["output"]))

    def _pair(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        return (
            *self._side(values["prompt"], self._columns["prompt"], "user"),
            *self._side(values["completion"], self._columns["completion"], "assistant"),
        )

    def _side(self, value: Any, name: str, role: str) -> tuple[Message, ...]:
        """Question or answer: one text, or turns with roles of their own."""
        if isinstance(value, list) and value and all(isinstance(turn, Mapping) and "role" in turn for turn in value):
            return read_turns(value, name, "messages")
        return (Message(role, filled(value, name, empty=EMPTY_QUESTION if role == "user" else EMPTY_ANSWER)),)


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
