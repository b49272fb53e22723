"""Whether an answer keeps the format: strict JSON, the whole answer and nothing beside it.

Strict means what a program that reads the answer needs: it parses as one object or array by RFC 8259, without the
`NaN` and `Infinity` that Python's own reader lets through, and without a key that occurs twice in an object.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

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


def json_rate(answers: Sequence[str]) -> float:
    """Returns which part of the answers is strict JSON, 0 to 1.

    Raises:
        ValueError: There is no answer.
    """
    if not answers:
        raise ValueError("`answers` must hold at least one answer, but is empty.")
    return sum(strict_json(answer) is None for answer in answers) / len(answers)


def expects_json(reference: str) -> bool:
    """Whether a row asks for JSON: its reference answer is strict JSON itself."""
    return strict_json(reference) is None


def _parse(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise _NotStrictError("not a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _NotStrictError("duplicate key")
        return found

    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)


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
