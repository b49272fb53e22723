"""JSON answers: whether they parse, and whether they fit the schema. In: exchanges. Out: findings FT461 and FT462.

An answer that begins as JSON and breaks is a fault whatever the others are. That an answer should be JSON and isn't is
judged at the end: where nine of ten answers are, or nine of ten of those whose question speaks of JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from ftlab.check.finding import Finding
from ftlab.check.wording import Exchange
from ftlab.evaluation.format import Cause, schema_validator, strict_json
from ftlab.problem import InputError, Problem

_BEGINS = re.compile(r"\{\s*[\"'}]|\[\s*[\[{\"]")
_FENCED = re.compile(r"```(?:json)?\s*\n([\s\S]*?)\n?```")
_ASKS = re.compile(r"\bjson\b", re.IGNORECASE)

_MIN_ANSWERS = 20
_USUAL = 0.9
_SHOWN_ERRORS = 3

_BROKEN: dict[Cause, str] = {
    "truncated": "breaks off in the middle of the JSON",
    "single quotes": "has single quotes where JSON has double ones",
    "not a number": "holds NaN or Infinity, which JSON doesn't have",
    "duplicate key": "has a key twice in one object",
    "invalid": "begins as JSON, but doesn't parse",
}
_OTHER: dict[Cause, str] = {
    "code fence": "is JSON in a code fence",
    "text around it": "has text around the JSON",
}


def read_schema(path: str, *, key: str = "data.schema") -> dict[str, Any]:
    """Reads a JSON schema and checks that it is one, whole in itself: nothing is fetched.

    Args:
        path: The file.
        key: The setting that names it, for the message.

    Returns:
        The schema.

    Raises:
        InputError: There is no such file, it holds no JSON object, no valid schema, or refers to what isn't in it.
    """
    try:
        schema = json.loads(Path(path).expanduser().read_text(encoding="utf-8-sig"))
        if not isinstance(schema, dict):
            raise ValueError(f"it holds {type(schema).__name__} where an object was expected")
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
        resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            resolver.lookup(reference)
    except OSError as error:
        raise InputError([Problem(key, f"must name a JSON schema, but '{path}': {error.strerror}.")]) from error
    except SchemaError as error:
        what = f"must name a valid JSON schema, but in '{path}' {error.json_path}: {_short(error.message)}."
        raise InputError([Problem(key, what)]) from error
    except Unresolvable as error:
        what = f"must hold all that it refers to, but '{path}' refers to '{error.ref}'."
        raise InputError([Problem(key, what, "Copy that part into the file, below `$defs`.")]) from error
    except (ValueError, RecursionError) as error:
        raise InputError([Problem(key, f"must name a JSON schema, but '{path}' is none: {error}.")]) from error
    return schema


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


@dataclass(slots=True)
class StructureCheck:
    """Looks at JSON answers, and remembers the others until it is known whether they should be JSON.

    Args:
        schema: What JSON answers must fit; None where any JSON will do.
    """

    schema: Mapping[str, Any] | None = None
    _validator: Validator | None = None
    _answers: int = 0
    _structured: int = 0
    _asked: int = 0
    _asked_structured: int = 0
    _suspects: list[tuple[int, str, Cause, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Makes the validator; it never looks anything up on the net."""
        if self.schema is not None:
            self._validator = schema_validator(self.schema)

    def look(self, exchange: Exchange) -> Iterator[Finding]:
        """Takes in one row; yields what is wrong with it whatever the others are."""
        row, answer = exchange.row, exchange.answer
        if not answer:
            return
        asks = _ASKS.search(exchange.prompt) is not None
        cause = _cause(answer)
        self._answers += 1
        self._asked += asks
        if cause is None:
            self._structured += 1
            self._asked_structured += asks
            yield from self._misfits(exchange)
        elif cause in _BROKEN:
            what = f"the answer {_BROKEN[cause]}{_place(_bare(answer))}."
            yield Finding("FT461", row.origin, what, "Mend it, or remove the row.", row.id)
        else:
            self._suspects.append((row.id, row.origin, cause, asks))

    def close(self) -> Iterator[Finding]:
        """Yields the answers that should be JSON as the others are."""
        all_usual = self._answers >= _MIN_ANSWERS and self._structured >= _USUAL * self._answers
        asked_usual = self._asked >= _MIN_ANSWERS and self._asked_structured >= _USUAL * self._asked
        for row_id, origin, cause, asks in self._suspects:
            if not (all_usual or (asked_usual and asks)):
                continue
            share = self._structured / self._answers if all_usual else self._asked_structured / self._asked
            whose = "of the answers" if all_usual else "of the answers to questions that speak of JSON"
            what = f"the answer {_OTHER.get(cause, 'is no JSON')}, while {share:.0%} {whose} are strict JSON."
            yield Finding("FT461", origin, what, "Make the whole answer one JSON object or array.", row_id)

    def _misfits(self, exchange: Exchange) -> Iterator[Finding]:
        """What of an answer doesn't fit the schema, as one finding."""
        if self._validator is None:
            return
        row = exchange.row
        try:
            values = _values(exchange.answer)
            errors = [error for value in values for error in self._validator.iter_errors(value)]
        except RecursionError:
            yield Finding(
                "FT462", row.origin, "the answer is nested too deeply to be held against the schema.", "", row.id
            )
            return
        if not errors:
            return
        errors.sort(key=lambda error: error.json_path)
        shown = "; ".join(f"{error.json_path}: {_short(_deepest(error).message)}" for error in errors[:_SHOWN_ERRORS])
        more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
        what = f"the answer doesn't fit the schema at {shown}{more}."
        yield Finding("FT462", row.origin, what, "Mend the field, or the schema that `data.schema` names.", row.id)


def _deepest(error: ValidationError) -> ValidationError:
    """Of `anyOf` and its like, the reason of the first branch says more than that none fits."""
    return error.context[0] if error.context else error


def _cause(answer: str) -> Cause | None:
    """Why an answer is no strict JSON; None where it is, or where each of its lines is."""
    bare = _bare(answer)
    if bare != answer and _BEGINS.match(bare):
        return strict_json(bare) or "code fence"
    if not _BEGINS.match(answer):
        return None if answer[0] in "{[" and strict_json(answer) is None else "no object or array"
    cause = strict_json(answer)
    if cause == "text around it" and all(strict_json(line) is None for line in answer.splitlines() if line.strip()):
        return None
    return cause


def _bare(answer: str) -> str:
    """What stands in the code fence that is the whole answer; without one, the answer."""
    fenced = _FENCED.fullmatch(answer)
    return answer if fenced is None else fenced.group(1).strip()


def _values(answer: str) -> list[Any]:
    """The value of a strict JSON answer, or those of its lines."""
    try:
        return [json.loads(answer)]
    except ValueError:
        return [json.loads(line) for line in answer.splitlines() if line.strip()]


def _place(answer: str) -> str:
    """Where in an answer the JSON breaks."""
    try:
        json.loads(answer)
    except json.JSONDecodeError as error:
        return f" ({error.msg} at line {error.lineno}, column {error.colno})"
    except RecursionError:
        return " (nested too deeply)"
    return ""


def _short(text: str, characters: int = 160) -> str:
    return text if len(text) <= characters else f"{text[: characters // 2]} … {text[-characters // 2 :]}"
