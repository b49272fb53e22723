"""Questions are read from rows of any format, and from the simplest one; what has no text is named with its line."""

import json
from pathlib import Path

import pytest

from ftlab.data.row import Message, Row
from ftlab.evaluation.blind.question import choose, question_notes, read_questions, reference_of, shown_question
from ftlab.problem import InputError


def _written(folder: Path, *rows: object, name: str = "expert.jsonl") -> str:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def _read(folder: Path, *rows: object) -> list[tuple[str, str]]:
    return [(shown_question(row), reference_of(row)) for row in read_questions(_written(folder, *rows))]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Why?", "reference": "So."},
        {"instruction": "Why?", "output": "So."},
        {"prompt": "Why?", "completion": "So."},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
    ],
)
def test_rows_of_every_format_are_questions(tmp_path: Path, row: object) -> None:
    assert _read(tmp_path, row) == [("Why?", "So.")]


def test_the_reference_may_be_missing(tmp_path: Path) -> None:
    assert _read(tmp_path, {"question": "Why?"}, {"question": "How?", "reference": None}) == [
        ("Why?", ""),
        ("How?", ""),
    ]


def test_fields_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _read(tmp_path, {"question": "Why?", "answer": "So.", "id": 7}) == [("Why?", "")]
    assert "expert.jsonl: only `question` and `reference` are read, not `answer`, `id`." in caplog.text
    caplog.clear()
    _read(tmp_path, {"question": "Why?", "reference": "So."})
    assert not caplog.text


def test_a_csv_file_holds_questions_too(tmp_path: Path) -> None:
    file = tmp_path / "expert.csv"
    file.write_text('question,reference\n"Why, then?",So.\n')
    (row,) = read_questions(str(file))
    assert (shown_question(row), reference_of(row)) == ("Why, then?", "So.")


def test_questions_without_text_are_all_named_with_their_lines(tmp_path: Path) -> None:
    path = _written(tmp_path, {"question": "Why?"}, {"question": " "}, {"reference": "x"}, {"question": None}, [1])
    with pytest.raises(InputError) as error:
        read_questions(path)
    assert sorted(problem.where for problem in error.value.problems) == [f"{path}:{line}" for line in (2, 3, 4, 5)]


def test_a_file_that_is_not_there_or_empty_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^questions: must be a file"):
        read_questions(str(tmp_path / "none.jsonl"))
    (tmp_path / "blank.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="at least one question"):
        read_questions(str(tmp_path / "blank.jsonl"))


def test_a_talk_is_shown_with_its_roles() -> None:
    turns = (
        Message("system", "Be short."),
        Message("user", "Hi"),
        Message("assistant", "Hi!"),
        Message("user", "Why?"),
    )
    row = Row(0, "x:1", messages=(*turns, Message("assistant", "So.")))
    assert shown_question(row) == "**System:** Be short.\n\n**User:** Hi\n\n**Assistant:** Hi!\n\n**User:** Why?"


def test_a_choice_of_rows_is_the_same_again_and_in_their_order() -> None:
    rows = [Row(number, "x", text=str(number)) for number in range(100)]
    chosen = choose(rows, 10, seed=1)
    assert chosen == choose(rows, 10, seed=1) != choose(rows, 10, seed=2)
    assert [row.id for row in chosen] == sorted({row.id for row in chosen})
    assert choose(rows, 200, seed=1) == rows


def test_questions_that_stand_twice_are_said() -> None:
    rows = [Row(number, "x", messages=(Message("user", "Why?"),)) for number in range(3)]
    assert question_notes(rows) == ["Questions that repeat an earlier one: 2. Each is asked, and counts as an item."]
    assert not question_notes(rows[:1])
