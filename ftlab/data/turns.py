"""The turns of a conversation, from the two ways in which data sets write them.

In: a list of objects, role and content (OpenAI) or from and value (ShareGPT), or that list as JSON text (a CSV cell).
Out: `Message`s. Whether the order of roles makes sense is not judged here.
"""

import json
from collections.abc import Mapping
from typing import Any

from ftlab.data.row import Message
from ftlab.data.tools import read_calls
from ftlab.data.values import EMPTY_ANSWER, EMPTY_QUESTION, RowFault, filled, text_of

UNKNOWN_ROLE, NO_TEXT_PART = "FT112", "FT118"

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_SPEAKERS = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")

FORMATS: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "messages": ("role", "content", _ROLES),
    "sharegpt": ("from", "value", _SPEAKERS),
}
"""Of each format: the key of the role, the key of the text, and what a role is called here."""


def read_turns(value: Any, name: str, row_format: str) -> tuple[Message, ...]:
    """Reads all turns of a row.

    Args:
        value: What the row's field holds.
        name: The field's name.
        row_format: `messages` or `sharegpt`.

    Returns:
        At least one message.

    Raises:
        RowFault: It is no list of turns, or one turn has no known role or no text.
    """
    turns = _parsed(value)
    if not isinstance(turns, list | tuple) or not turns:
        shown = "null" if value is None else "empty" if turns in ([], "") else f"of type {type(value).__name__}"
        raise RowFault(f"`{name}` must be a list of turns, but is {shown}.")
    role, content, roles = FORMATS[row_format]
    return tuple(_turn(turn, f"{name}[{number}]", role, content, roles) for number, turn in enumerate(turns))


def _turn(turn: Any, name: str, role: str, content: str, roles: Mapping[str, str]) -> Message:
    if not isinstance(turn, Mapping) or role not in turn:
        found = f"has {', '.join(turn) or 'nothing'}" if isinstance(turn, Mapping) else f"is a {type(turn).__name__}"
        what = f"`{name}` must be an object with `{role}` and `{content}`, but {found}."
        raise RowFault(what, _other_keys(turn, role, name.split("[")[0]), same_as=("turn", role, found))
    speaker = turn[role]
    if not isinstance(speaker, str) or speaker not in roles:
        raise RowFault(f"`{name}.{role}` must be one of {', '.join(roles)}, but is {speaker!r}.", code=UNKNOWN_ROLE)
    speaker = roles[speaker]
    calls = read_calls(turn, name)
    if calls and speaker != "assistant":
        raise RowFault(f"`{name}` must be an answer to call tools, but is of role {speaker}.")
    text, field = _joined(turn.get(content)), f"{name}.{content}"
    empty = {"user": EMPTY_QUESTION, "assistant": EMPTY_ANSWER}.get(speaker) if not calls else None
    return Message(
        speaker,
        filled(text, field, empty=empty) if empty else text_of(text, field),
        reasoning=_reasoning(turn, name) if speaker == "assistant" else "",
        tool_calls=calls,
        name=text_of(turn.get("name"), f"{name}.name") if speaker == "tool" else "",
        call_id=text_of(turn.get("tool_call_id"), f"{name}.tool_call_id") if speaker == "tool" else "",
    )


def _reasoning(turn: Mapping[str, Any], name: str) -> str:
    """The answer's thoughts, where the turn keeps them apart under one of the names in use."""
    key = next((key for key in _THOUGHTS if turn.get(key)), _THOUGHTS[0])
    return text_of(turn.get(key), f"{name}.{key}")


def _joined(content: Any) -> Any:
    """OpenAI's list of text parts as one text; anything else as it is."""
    if isinstance(content, list) and content and all(isinstance(part, Mapping) and "type" in part for part in content):
        kinds = {str(part["type"]) for part in content}
        if kinds != {"text"}:
            raise RowFault(
                f"a turn's parts must be of type text, but are {', '.join(sorted(kinds))}.", code=NO_TEXT_PART
            )
        return "".join(str(part.get("text") or "") for part in content)
    return content


def _parsed(value: Any) -> Any:
    """A list that a CSV cell holds as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _other_keys(turn: Any, role: str, column: str) -> str:
    """What to type where turns have the other format's keys."""
    if role == "role" and isinstance(turn, Mapping) and "from" in turn:
        return f"Set data=sharegpt data.columns.conversations={column}."
    if role == "from" and isinstance(turn, Mapping) and "role" in turn:
        return f"Set data=messages data.columns.messages={column}."
    return ""
