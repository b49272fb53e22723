"""Row formats: what becomes of each record, and what is said of records that are no rows."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlab.data.row import Message, Row
from ftlab.data.schema import RowSchema
from ftlab.data.values import RowFault
from ftlab.problem import InputError

FILL = "Fill it in, or remove the row."


def to_row(record: dict[str, Any], row_format: str = "alpaca", **settings: Any) -> Row:
    return RowSchema(row_format, **settings).to_row(record, row_id=7, origin="rows.jsonl:8")


def turns(row: Row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


def fault(record: dict[str, Any], row_format: str = "alpaca", **settings: Any) -> str:
    with pytest.raises(RowFault) as error:
        to_row(record, row_format, **settings)
    return f"{error.value.what} {error.value.fix}".strip()


def test_seed_row_goes_through_unharmed() -> None:
    record = {
        "instruction": "你是一名资深的金融理财顾问,请回答以下问题:",
        "input": "什么是复利效应?",
        "output": "利滚利。",
    }
    assert to_row(record) == Row(
        id=7,
        origin="rows.jsonl:8",
        messages=(
            Message("user", "你是一名资深的金融理财顾问,请回答以下问题:\n\n什么是复利效应?"),
            Message("assistant", "利滚利。"),
        ),
    )


@pytest.mark.parametrize("extra", [{}, {"input": ""}, {"input": None}, {"input": "  "}])
def test_alpaca_without_input_asks_the_instruction_alone(extra: dict[str, Any]) -> None:
    assert turns(to_row({"instruction": "Q", "output": "A"} | extra)) == [("user", "Q"), ("assistant", "A")]


def test_alpaca_prompt_setting_is_followed_once_for_each_field() -> None:
    row = to_row({"instruction": "a {input} b", "input": "c", "output": "A"}, prompt="{input} | {instruction} {x}")
    assert row.messages[0].content == "c | a {input} b {x}"


def test_alpaca_with_empty_instruction_asks_the_input() -> None:
    assert to_row({"instruction": "", "input": "Q", "output": "A"}).messages[0].content == "Q"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"rate": 4.5, "größe": [1, None, True]}, '{"rate": 4.5, "größe": [1, null, true]}'),
        ([], "[]"),
        (0, "0"),
        (False, "false"),
        (1.5, "1.5"),
        (" kept as it is\n", " kept as it is\n"),
    ],
)
def test_output_that_is_no_text_is_written_as_json(output: Any, expected: str) -> None:
    assert to_row({"instruction": "Q", "output": output}).messages[1].content == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
records = st.dictionaries(
    st.sampled_from(["instruction", "input", "output", "messages", "conversations", "text"]), json_values
)
turn_lists = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "from", "value", "type", "text"]), json_values), max_size=4
)


def row_or_fault(record: dict[str, Any], row_format: str) -> Row | RowFault:
    try:
        return to_row(record, row_format)
    except RowFault as error:
        return error


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=5), json_values, min_size=1, max_size=4))
def test_object_output_reads_back_as_the_same_object(output: dict[str, Any]) -> None:
    assert json.loads(to_row({"instruction": "Q", "output": output}).messages[1].content) == output


@settings(max_examples=50, deadline=None)
@given(records)
@pytest.mark.parametrize("row_format", ["alpaca", "messages", "sharegpt", "text"])
def test_any_record_is_a_row_or_a_fault(row_format: str, record: dict[str, Any]) -> None:
    outcome = row_or_fault(record, row_format)
    assert outcome.what if isinstance(outcome, RowFault) else outcome.messages or outcome.text


@settings(max_examples=50, deadline=None)
@given(turn_lists)
def test_any_list_of_turns_is_a_row_or_a_fault(value: list[Any]) -> None:
    for outcome in (row_or_fault({"messages": value}, "messages"), row_or_fault({"conversations": value}, "sharegpt")):
        assert outcome.what if isinstance(outcome, RowFault) else outcome.messages


def test_messages_keep_their_roles() -> None:
    record = {"messages": [{"role": role, "content": role} for role in ("developer", "user", "tool", "assistant")]}
    assert turns(to_row(record, "messages")) == [
        ("system", "developer"),
        ("user", "user"),
        ("tool", "tool"),
        ("assistant", "assistant"),
    ]


def test_messages_of_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    record = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": {"a": 1}}]}
    assert turns(to_row(record, "messages")) == [("user", "ab"), ("assistant", '{"a": 1}')]


def test_messages_in_a_csv_cell_are_read() -> None:
    cell = json.dumps([{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}])
    assert turns(to_row({"messages": cell}, "messages")) == [("user", "Q"), ("assistant", "A")]


def test_sharegpt_speakers_become_roles() -> None:
    record = {"conversations": [{"from": who, "value": who} for who in ("system", "human", "gpt", "user", "assistant")]}
    assert [role for role, _ in turns(to_row(record, "sharegpt"))] == [
        *("system", "user", "assistant", "user", "assistant")
    ]


def test_text_is_kept_as_it_is() -> None:
    assert to_row({"text": " Grüße\n"}, "text") == Row(7, "rows.jsonl:8", text=" Grüße\n")


def test_columns_map_our_fields_to_the_files() -> None:
    record = {"question": "Q", "context": "C", "answer": "A"}
    columns = {"instruction": "question", "input": "context", "output": "answer", "text": "text"}
    assert turns(to_row(record, columns=columns)) == [("user", "Q\n\nC"), ("assistant", "A")]


def test_input_taken_as_the_instruction_is_asked_once() -> None:
    assert to_row({"input": "Q", "output": "A"}, columns={"instruction": "input"}).messages[0].content == "Q"


@pytest.mark.parametrize(
    ("record", "row_format", "expected"),
    [
        ({"instruction": "Q", "output": None}, "alpaca", "`output` must hold text, but is null. " + FILL),
        ({"instruction": "Q", "output": " \n"}, "alpaca", "`output` must hold text, but is only white space. " + FILL),
        ({"instruction": "", "output": "A"}, "alpaca", "`instruction` must hold text, but is empty. " + FILL),
        ({"text": ""}, "text", "`text` must hold text, but is empty. " + FILL),
        (
            {"instruction": "Q", "answer": "A"},
            "alpaca",
            "the field `output` must be there, but the row's fields are `instruction`, `answer`. "
            "Set data.columns.output=answer.",
        ),
        (
            {"instruction": "Q", "ouput": "A", "id": 1},
            "alpaca",
            "the field `output` must be there, but the row's fields are `instruction`, `ouput`, `id`. "
            "Set data.columns.output=ouput.",
        ),
        (
            {"Question": "Q", "Response": "A"},
            "alpaca",
            "the fields `instruction`, `output` must be there, but the row's fields are `Question`, `Response`. "
            "Set data.columns.instruction=Question data.columns.output=Response.",
        ),
        (
            {"input": "Q", "output": "A"},
            "alpaca",
            "the field `instruction` must be there, but the row's fields are `input`, `output`. "
            "Set data.columns.instruction=input.",
        ),
        (
            {"messages": []},
            "alpaca",
            "the fields `instruction`, `output` must be there, but the row's fields are `messages`. "
            "These look like messages rows: set data=messages.",
        ),
        (
            {"instruction": "Q", "output": "A"},
            "messages",
            "the field `messages` must be there, but the row's fields are `instruction`, `output`. "
            "These look like alpaca rows: set data=alpaca.",
        ),
        (
            {"x": 1},
            "text",
            "the field `text` must be there, but the row's fields are `x`. "
            "Name the fields that hold them: data.columns.text=<your field's name>.",
        ),
        ({"messages": "oops"}, "messages", "`messages` must be a list of turns, but is of type str."),
        ({"messages": []}, "messages", "`messages` must be a list of turns, but is empty."),
        ({"messages": None}, "messages", "`messages` must be a list of turns, but is null."),
        (
            {"messages": ["hi"]},
            "messages",
            "`messages[0]` must be an object with `role` and `content`, but is a str.",
        ),
        (
            {"messages": [{"from": "human", "value": "Q"}]},
            "messages",
            "`messages[0]` must be an object with `role` and `content`, but has from, value. "
            "Set data=sharegpt data.columns.conversations=messages.",
        ),
        (
            {"conversations": [{"role": "user", "content": "Q"}]},
            "sharegpt",
            "`conversations[0]` must be an object with `from` and `value`, but has role, content. "
            "Set data=messages data.columns.messages=conversations.",
        ),
        (
            {"messages": [{"role": "human", "content": "Q"}]},
            "messages",
            "`messages[0].role` must be one of system, developer, user, assistant, tool, function, but is 'human'.",
        ),
        (
            {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": None}]},
            "messages",
            "`messages[1].content` must hold text, but is null. " + FILL,
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]},
            "messages",
            "`messages[0].tool_calls` must hold calls with a function's name, but one has none. "
            'Write each as {"function": {"name": ..., "arguments": {...}}}.',
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages",
            "a turn's parts must be of type text, but are image_url.",
        ),
        ({"text": "a\ud800"}, "text", "`text` must be Unicode text, but holds half a character (U+D800)."),
        (
            {"instruction": "Q", "output": {"rate": float("nan")}},
            "alpaca",
            "`output` must be text or what JSON can hold, but is {'rate': nan}.",
        ),
    ],
)  # fmt: skip
def test_record_that_is_no_row_is_told_with_its_fix(record: dict[str, Any], row_format: str, expected: str) -> None:
    assert fault(record, row_format) == expected


def test_mapped_optional_field_that_is_missing_is_told() -> None:
    told = fault({"instruction": "Q", "output": "A"}, columns={"input": "context"})
    assert told.startswith("the field `context` must be there, but the row's fields are `instruction`, `output`.")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (
            {"row_format": "alpacca"},
            "data.format: must be one of alpaca, prompt-completion, messages, sharegpt, text, but is 'alpacca'.",
        ),
        (
            {"row_format": "alpaca", "columns": {"ouput": "x"}},
            "data.columns.ouput: must be one of completion, conversations, input, instruction, messages, output, "
            "prompt, text, tools.",
        ),
        (
            {"row_format": "alpaca", "prompt": "{instruction}"},
            "data.prompt: must hold {input}, but is '{instruction}'.",
        ),
    ],
)
def test_wrong_setting_is_told_by_its_key(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=re.escape(expected)):
        RowSchema(**wrong)
