"""Tools that a conversation may call, and the calls of its answers, in OpenAI's form.

In: what a record holds, as objects or as JSON text. Out: JSON text that chat templates can take (`Row.tools`,
`Message.tool_calls`): functions under `function`, arguments as objects.
"""

import json
from collections.abc import Mapping
from typing import Any

from ftlab.data.values import RowFault, text_of


def read_tools(value: Any, name: str) -> str:
    """Reads the functions that a row's answers may call.

    Args:
        value: A list of functions, that list as JSON text, or nothing.
        name: The field's name.

    Returns:
        JSON text of the list, each function as `{"type": "function", "function": {...}}`; empty where there are none.

    Raises:
        RowFault: It is no list of functions with names.
    """
    tools = _parsed(value)
    if not tools:
        return ""
    if not isinstance(tools, list):
        raise RowFault(f"`{name}` must be a list of functions, but is of type {type(tools).__name__}.")
    read = []
    for number, tool in enumerate(tools):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not _is_name(function.get("name")):
            what = f"`{name}[{number}]` must be a function with a name, but has none."
            raise RowFault(what, 'Write it as {"type": "function", "function": {"name": ..., "parameters": {...}}}.')
        read.append({"type": "function", "function": function})
    return text_of(read, name)


def read_calls(turn: Mapping[str, Any], name: str) -> str:
    """Reads the calls that an answer makes, in `tool_calls` or in the older `function_call`.

    Args:
        turn: The turn.
        name: Its name in messages, such as `messages[1]`.

    Returns:
        JSON text of the list, each call as `{"type": "function", "function": {"name": ..., "arguments": {...}}}` with
        its `id` where it has one; empty where there is none.

    Raises:
        RowFault: It is no list of calls with a name and an object of arguments.
    """
    field = f"{name}.tool_calls"
    calls = _parsed(turn.get("tool_calls"))
    if not calls:
        calls, field = turn.get("function_call"), f"{name}.function_call"
        calls = [calls] if calls else []
    if not isinstance(calls, list):
        raise RowFault(f"`{field}` must be a list of calls, but is of type {type(calls).__name__}.")
    return text_of([_call(call, field) for call in calls], field) if calls else ""


def _call(call: Any, field: str) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not _is_name(function.get("name")):
        what = f"`{field}` must hold calls with a function's name, but one has none."
        raise RowFault(what, 'Write each as {"function": {"name": ..., "arguments": {...}}}.')
    arguments = _parsed(function.get("arguments") or {})
    if not isinstance(arguments, Mapping):
        shown = type(arguments).__name__
        raise RowFault(f"`{field}` must hold arguments as an object, but those of {function['name']} are a {shown}.")
    read = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return read | ({"id": str(call["id"])} if call.get("id") else {})


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _parsed(value: Any) -> Any:
    """What a text holds as JSON; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError):
        return value
