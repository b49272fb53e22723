"""Compares a value from YAML with a type annotation, in words that a user reads."""

import re
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union

_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    Any: "anything",
}


def matches(value: Any, annotation: Any) -> bool:
    """Says whether a plain value (as YAML holds it) suits an annotation; unknown annotations suit everything.

    Args:
        value: None, bool, int, float, str, list or dict.
        annotation: A type, `Literal`, union, `list[...]`, `dict[...]`, or anything else.

    Returns:
        False only where the value is surely of another type.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(matches(value, argument) for argument in arguments)
    if origin is Literal:
        return any(_is_option(value, option) for option in arguments)
    if annotation in (bool, str, type(None), None):
        return value is None if annotation in (None, type(None)) else isinstance(value, annotation)
    if annotation in (int, float):
        return isinstance(value, (int, float) if annotation is float else int) and not isinstance(value, bool)
    container = origin or annotation
    if container is dict:
        inner = arguments[1] if len(arguments) == 2 else Any
        return isinstance(value, Mapping) and all(matches(item, inner) for item in value.values())
    if container in (list, tuple):
        inner = arguments[0] if arguments and container is list else Any
        return isinstance(value, Sequence) and not isinstance(value, str) and all(matches(v, inner) for v in value)
    return True


def describe(annotation: Any) -> str:
    """Names what an annotation allows, as in "a whole number or null"."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(argument) for argument in arguments))
    if origin is Literal:
        options = [str(option).lower() if isinstance(option, bool) else str(option) for option in arguments]
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    container = origin or annotation
    if container in (list, tuple):
        return f"a list of {describe(arguments[0])}" if container is list and arguments else "a list"
    if container is dict:
        return f"a mapping to {describe(arguments[1])}" if len(arguments) == 2 else "a mapping"
    return _NAMES.get(annotation, _name(annotation))


def _is_option(value: Any, option: Any) -> bool:
    """Compares with one option of a `Literal`; PEFT writes `pissa_niter_[number of iters]` for any number there."""
    if isinstance(value, str) and isinstance(option, str) and "[" in option:
        return re.fullmatch(re.sub(r"\\\[.*?\\\]", r"\\w+", re.escape(option)), value) is not None
    return bool(value == option) and type(value) is type(option)


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(member.name for member in annotation)}"
    return getattr(annotation, "__name__", str(annotation))
