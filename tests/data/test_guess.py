"""With `data.format=auto` the fields say what rows look like; a name that isn't ours is a guess, and is said."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ftlab.data.faults import Faults
from ftlab.data.guess import guess
from ftlab.data.reader import RowReader
from ftlab.data.records import Record
from ftlab.data.row import Row

TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
SHARED = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


def read(*records: dict[str, Any], row_format: str = "auto", **settings: Any) -> tuple[list[Row], Faults]:
    faults = Faults()
    numbered = (Record(f"rows.jsonl:{number}", fields) for number, fields in enumerate(records, 1))
    return list(RowReader(row_format, **settings).rows(numbered, count(), faults)), faults


def codes(faults: Faults) -> list[tuple[str, str]]:
    return [(problem.where, problem.code) for ledger in (faults.rows, faults.notes) for problem, _ in ledger]


@pytest.mark.parametrize(
    ("fields", "row_format", "renamed"),
    [
        ({"instruction": "Q", "input": "", "output": "A"}, "alpaca", {}),
        ({"prompt": "Q", "completion": "A"}, "prompt-completion", {}),
        ({"messages": TURNS}, "messages", {}),
        ({"conversations": SHARED}, "sharegpt", {}),
        ({"text": "Q"}, "text", {}),
        ({"question": "Q", "answer": "A"}, "alpaca", {"instruction": "question", "output": "answer"}),
        ({"prompt": "Q", "response": "A"}, "prompt-completion", {"completion": "response"}),
        ({"query": "Q", "response": "A", "id": 3}, "alpaca", {"instruction": "query", "output": "response"}),
        ({"input": "Q", "output": "A"}, "alpaca", {"instruction": "input"}),
        ({"Question": "Q", "Answer": "A"}, "alpaca", {"instruction": "Question", "output": "Answer"}),
        (
            {"question": "Q", "context": "C", "answer": "A"},
            "alpaca",
            {"instruction": "question", "input": "context", "output": "answer"},
        ),
        ({"messages": SHARED}, "sharegpt", {"conversations": "messages"}),
        ({"conversations": TURNS}, "messages", {"messages": "conversations"}),
        ({"dialog": TURNS}, "messages", {"messages": "dialog"}),
        ({"instruction": "Q", "ouput": "A"}, "alpaca", {"output": "ouput"}),
        ({"content": "Q"}, "text", {"text": "content"}),
    ],
)
def test_known_names_are_read_and_only_foreign_ones_are_said(
    fields: dict[str, Any], row_format: str, renamed: dict[str, str]
) -> None:
    found = guess([fields], {})
    assert found is not None
    assert (found.row_format, found.renamed) == (row_format, renamed)
    rows, faults = read(fields)
    assert len(rows) == 1
    assert "Q" in (rows[0].text or rows[0].messages[0].content)
    assert [code for _, code in codes(faults) if code == "FT121"] == ["FT121"] * bool(renamed)


def test_guess_names_the_override_that_makes_it_strict() -> None:
    _, faults = read({"question": "Q", "answer": "A"})
    ((problem, row_id),) = faults.notes
    assert row_id is None
    assert problem.where == "rows.jsonl"
    assert problem.fix == (
        "If that is right, say so: data=alpaca data.columns.instruction=question data.columns.output=answer."
    )
    strict, told = read(
        {"question": "Q", "answer": "A"},
        row_format="alpaca",
        columns={"instruction": "question", "output": "answer"},
    )
    assert len(strict) == 1
    assert not codes(told)


def test_most_rows_decide_and_one_odd_first_row_does_not() -> None:
    good = {"instruction": "Q", "output": "A"}
    rows, faults = read({"instruction": "Q", "ouput": "A"}, good, good)
    assert len(rows) == 2
    assert codes(faults) == [("rows.jsonl:1", "FT107")]


def test_row_of_another_format_is_told_in_a_file_of_mixed_ones() -> None:
    good = {"instruction": "Q", "output": "A"}
    rows, faults = read(good, {"messages": TURNS}, good)
    assert [row.id for row in rows] == [0, 2]
    assert ("rows.jsonl:2", "FT113") in codes(faults)


def test_context_is_read_where_only_some_rows_have_it() -> None:
    rows, faults = read({"question": "Q", "answer": "A"}, {"question": "Q", "context": "C", "answer": "A"})
    assert [row.messages[0].content for row in rows] == ["Q", "Q\n\nC"]
    assert not len(faults)


@pytest.mark.parametrize("named", [{"conversation": TURNS}, {"question": "Q", "answer": "A"}, {"body": "T"}])
def test_row_without_a_guessed_field_that_it_needs_is_told(named: dict[str, Any]) -> None:
    rows, faults = read({"note": "N"}, named, named)
    assert [row.id for row in rows] == [1, 2]
    assert ("rows.jsonl:1", "FT107") in codes(faults)


def test_given_names_win_over_likelier_ones() -> None:
    rows, _ = read({"answer": "no", "reply": "yes", "question": "Q"}, columns={"output": "reply"})
    assert rows[0].messages[1].content == "yes"


def test_strict_format_guesses_nothing() -> None:
    rows, faults = read({"question": "Q", "answer": "A"}, row_format="alpaca")
    assert not rows
    assert codes(faults)[0] == ("rows.jsonl:1", "FT107")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"instruction": "Q", "output": {"a": 1}}, "`output` holds an object"),
        ({"instruction": "Q", "output": 4}, "`output` holds a number"),
        ({"instruction": "Q", "output": False}, "`output` holds true or false"),
        ({"prompt": "Q", "completion": [1]}, "`completion` holds a list"),
    ],
)  # fmt: skip
def test_values_written_as_json_are_counted(record: dict[str, Any], told: str) -> None:
    rows, faults = read(record, record)
    assert len(rows) == 2
    assert [problem.what for problem, _ in faults.notes if problem.code == "FT119"] == [
        f"{told}, not text, in 2 rows; it is written as JSON."
    ]


def test_unread_fields_are_counted() -> None:
    _, faults = read(*[{"instruction": "Q", "output": "A", "id": number} for number in range(3)])
    assert [problem.what for problem, _ in faults.notes] == ["`id` stands in 3 rows and isn't used."]


def test_prompt_and_completion_may_be_turns() -> None:
    rows, _ = read({"prompt": [{"role": "system", "content": "S"}, TURNS[0]], "completion": [TURNS[1]]})
    assert [(turn.role, turn.content) for turn in rows[0].messages] == [
        ("system", "S"),
        ("user", "Q"),
        ("assistant", "A"),
    ]


def test_every_fault_is_kept_with_its_row_while_messages_are_capped(tmp_path: Path) -> None:
    _, faults = read(*[{"instruction": f"Q{number}", "output": None} for number in range(500)])
    assert len(faults) == 500
    assert [row_id for _, row_id in faults.rows] == list(range(500))
    assert next(iter(faults.rows))[0].where == "rows.jsonl:1"
    assert len(faults.problems()) == 21
    assert json.dumps([problem.code for problem, _ in faults.rows]).count("FT108") == 500
