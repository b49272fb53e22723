"""Tools and their calls: the ways in which data sets write them come out as templates expect them."""

import json
from typing import Any

import pytest

from ftlab.data.row import Message, Row
from ftlab.data.schema import RowSchema
from ftlab.data.values import RowFault

WEATHER = {"name": "weather", "description": "Says it.", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Köln"}}}


def to_row(messages: list[dict[str, Any]], **fields: Any) -> Row:
    return RowSchema("messages").to_row({"messages": messages, **fields}, row_id=0, origin="rows.jsonl:1")


def answer(**fields: Any) -> Message:
    return to_row([{"role": "user", "content": "?"}, {"role": "assistant", **fields}]).messages[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_calls": [CALL]},
        {"tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "Köln"}'}}], "content": None},
        {"tool_calls": [{"name": "weather", "arguments": {"city": "Köln"}}], "content": ""},
        {"tool_calls": json.dumps([CALL])},
        {"function_call": {"name": "weather", "arguments": '{"city": "Köln"}'}},
    ],
)
def test_calls_come_out_alike_however_they_are_written(fields: dict[str, Any]) -> None:
    read = answer(**fields)
    assert (read.content, json.loads(read.tool_calls)) == ("", [CALL])


def test_ids_of_calls_and_the_turns_that_answer_them_are_kept() -> None:
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL | {"id": "call_1"}]},
        {"role": "tool", "content": {"sky": "grey"}, "tool_call_id": "call_1", "name": "weather"},
    ]
    _, call, result = to_row(turns).messages
    assert json.loads(call.tool_calls)[0]["id"] == "call_1"
    assert result == Message("tool", '{"sky": "grey"}', name="weather", call_id="call_1")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_are_kept_apart_from_the_answer(key: str) -> None:
    assert answer(content="Yes.", **{key: "Hm."}) == Message("assistant", "Yes.", reasoning="Hm.")


@pytest.mark.parametrize(
    "tools", [[WEATHER], [{"type": "function", "function": WEATHER}], json.dumps([WEATHER])], ids=str
)
def test_tools_come_out_alike_however_they_are_written(tools: Any) -> None:
    row = to_row([{"role": "user", "content": "?"}], tools=tools)
    assert json.loads(row.tools) == [{"type": "function", "function": WEATHER}]


@pytest.mark.parametrize("tools", [None, [], "", "  ", "[]"])
def test_no_tools_are_no_fault(tools: Any) -> None:
    assert to_row([{"role": "user", "content": "?"}], tools=tools).tools == ""


def test_tools_stand_in_the_field_that_the_setting_names() -> None:
    record = {"messages": [{"role": "user", "content": "?"}], "functions": [WEATHER]}
    schema = RowSchema("messages", columns={"tools": "functions"})
    assert "weather" in schema.to_row(record, row_id=0, origin="rows.jsonl:1").tools


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"tool_calls": "weather"}, "`messages[1].tool_calls` must be a list of calls, but is of type str."),
        (
            {"tool_calls": [{"function": {"arguments": {}}}]},
            "`messages[1].tool_calls` must hold calls with a function's",
        ),
        (
            {"tool_calls": [{"name": "weather", "arguments": "Köln"}]},
            "`messages[1].tool_calls` must hold arguments as an object, but those of weather are a str.",
        ),
        ({"function_call": "weather"}, "`messages[1].function_call` must hold calls with a function's name"),
        ({"role": "user", "tool_calls": [CALL]}, "`messages[1]` must be an answer to call tools, but is of role user."),
        ({"tool_calls": [CALL | {"id": "\ud800"}]}, "`messages[1].tool_calls` must be Unicode text"),
        ({"content": "", "tool_calls": []}, "`messages[1].content` must hold text, but is empty."),
    ],
)
def test_calls_that_cannot_be_read_are_faults(turn: dict[str, Any], expected: str) -> None:
    with pytest.raises(RowFault) as fault:
        to_row([{"role": "user", "content": "?"}, {"role": "assistant", "content": "A"} | turn])
    assert fault.value.what.startswith(expected)


@pytest.mark.parametrize("tools", ["weather", {"name": "weather"}, [1], [{"description": "x"}], 5])
def test_tools_that_cannot_be_read_are_faults(tools: Any) -> None:
    with pytest.raises(RowFault, match="`tools"):
        to_row([{"role": "user", "content": "?"}], tools=tools)
