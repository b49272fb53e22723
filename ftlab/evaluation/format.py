"""Whether an answer keeps the format: strict JSON, the whole answer and nothing beside it; and what is in it.

Strict means what a program that reads the answer needs: it parses as one object or array by RFC 8259, without the
`NaN` and `Infinity` that Python's own reader lets through, and without a key that occurs twice in an object. What a
lenient reader would still find in an answer that isn't strict is looked for, too (`find_json`), and held against a
schema and against the fields of the reference.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry

Cause = Literal[
    "empty", "code fence", "text around it", "no object or array", "truncated", "single quotes", "not a number",
    "duplicate key", "invalid",
]  # fmt: skip
"""Why an answer isn't strict JSON, the likeliest reason first found."""


class _NotStrictError(ValueError):
    """Python's reader takes it, strict JSON doesn't have it."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause: Cause = cause


def strict_json(text: str) -> Cause | None:
    """Says why an answer isn't strict JSON.

    >>> strict_json('{"fee": 4.5}') is None
    True
    >>> strict_json('The fee is {"fee": 4.5}.')
    'text around it'

    Args:
        text: The answer; space around it doesn't count.

    Returns:
        None where it is strict JSON, else the cause.
    """
    answer = text.strip()
    try:
        value = _parse(answer)
    except _NotStrictError as error:
        return error.cause
    except (ValueError, RecursionError):
        return _cause(answer)
    return None if isinstance(value, dict | list) else "no object or array"


def expects_json(reference: str) -> bool:
    """Whether a row asks for JSON: its reference answer is strict JSON itself."""
    return strict_json(reference) is None


def find_json(text: str) -> Any | None:
    """Returns the object or array in an answer, with whatever text around it; the longest where there are several.

    >>> find_json('Here it is: {"fee": 4.5}. Anything else?')
    {'fee': 4.5}

    Args:
        text: The answer.

    Returns:
        The parsed value; None where there is none that parses by the strict rules.
    """
    found, longest, place = None, 0, 0
    starts = (place for place, sign in enumerate(text) if sign in "{[")
    for start in starts:
        if start < place:
            continue  # inside of what was found
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if end - start > longest:
            found, longest = value, end - start
        place = end
    return found


def schema_validator(schema: Mapping[str, Any]) -> Validator:
    """Returns a validator that never looks anything up on the net.

    Args:
        schema: A JSON schema; a draft that it names is used, else 2020-12.
    """
    kind = validator_for(schema, default=Draft202012Validator)
    return kind(schema, registry=Registry())


def fits(value: Any, validator: Validator) -> bool:
    """Whether a parsed value fits the schema; one that is nested too deeply to tell doesn't."""
    try:
        return bool(validator.is_valid(value))
    except RecursionError:
        return False


def fields_right(value: Any, reference: Any) -> tuple[int, int]:
    """Counts the fields of an answer that are as in the reference.

    A field is a value that is no object or array, at its place (`a.b[0]`); an empty object or array is one, too. Fields
    that only one of the two has are wrong, so nothing is gained by adding some. Numbers are equal as numbers (4 and
    4.0), true isn't 1.

    >>> fields_right({"fee": 4.0, "note": ""}, {"fee": 4, "card": "Gold"})
    (1, 3)

    Args:
        value: The answer's; None where there is none.
        reference: The reference's.

    Returns:
        Right fields, and how many there are in either of the two.
    """
    found, wanted = ({} if side is None else dict(_fields(side, ())) for side in (value, reference))
    right = sum(place in found and _same(found[place], field) for place, field in wanted.items())
    return right, len(found.keys() | wanted.keys())


def _fields(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    stack = [(place, value)]
    while stack:  # no recursion: an answer may be nested as deep as the reader allows
        place, value = stack.pop()
        if isinstance(value, dict) and value:
            stack += [((*place, name), inner) for name, inner in value.items()]
        elif isinstance(value, list) and value:
            stack += [((*place, number), inner) for number, inner in enumerate(value)]
        else:
            yield place, value


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _refuse(constant: str) -> None:
    raise _NotStrictError("not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NotStrictError("duplicate key")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique)


def _parse(text: str) -> Any:
    return _DECODER.decode(text)


def _cause(answer: str) -> Cause:
    """Why text that doesn't parse doesn't."""
    if not answer:
        return "empty"
    if answer.startswith("```"):
        return "code fence"
    start = next((place for place, sign in enumerate(answer) if sign in "{["), None)
    if start is None:
        return "no object or array"
    if start > 0 or _is_whole_then_more(answer):
        return "text around it"
    if _is_open(answer):
        return "truncated"
    return "single quotes" if "'" in answer and '"' not in answer else "invalid"


def _is_whole_then_more(answer: str) -> bool:
    try:
        json.JSONDecoder().raw_decode(answer)
    except (ValueError, RecursionError):
        return False
    return True


def _is_open(answer: str) -> bool:
    """Whether a bracket or a string is still open at the end."""
    depth, in_string, escaped = 0, False, False
    for sign in answer:
        if in_string:
            in_string = escaped or sign != '"'
            escaped = sign == "\\" and not escaped
        elif sign == '"':
            in_string = True
        else:
            depth += (sign in "{[") - (sign in "}]")
    return in_string or depth > 0
