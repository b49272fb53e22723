"""The cleaned set keeps the original's fields, changes texts alone, and logs in the file's order."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftlab.check.cleaning import Cleaning
from ftlab.check.finding import Finding
from ftlab.check.write import Original, check_targets, write_clean
from ftlab.data.files import DataFile
from ftlab.data.row import Row


def shout(row: Row, _: str) -> Row:
    """Stands for a mender: answers in capitals."""
    turns = tuple(
        replace(turn, content=turn.content.upper()) if turn.role == "assistant" else turn for turn in row.messages
    )
    return replace(row, messages=turns)


def cleaned(
    folder: Path, lines: list[Any], *, mends: dict[int, str], drops: dict[int, str]
) -> tuple[list[Any], list[Any]]:
    path, target = folder / "rows.jsonl", folder / "clean.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    plan = Cleaning(
        drops={row_id: Finding(code, f"rows.jsonl:{row_id}", "is one.") for row_id, code in drops.items()},
        mends={row_id: [Finding(code, f"rows.jsonl:{row_id}", "has one.")] for row_id, code in mends.items()},
    )
    original = Original(DataFile(path, "jsonl", "rows.jsonl"), target, "auto", {})
    write_clean(folder / "clean.changes.jsonl", [original], plan, shout)
    rows, log = (
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in (target, folder / "clean.changes.jsonl")
    )
    return rows, log


def test_fields_turns_and_objects_are_mended_where_they_stand(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 1}]
    shared = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    for number, (row, expected) in enumerate(
        [
            ({"instruction": "q", "output": "a", "id": 1}, {"instruction": "q", "output": "A", "id": 1}),
            ({"question": "q", "answer": {"k": ["a", 2]}}, {"question": "q", "answer": {"k": ["A", 2]}}),
            ({"messages": turns}, {"messages": [turns[0], {"role": "assistant", "content": "A", "weight": 1}]}),
            ({"conversations": shared}, {"conversations": [shared[0], {"from": "gpt", "value": "A"}]}),
        ]
    ):
        (folder := tmp_path / str(number)).mkdir()
        rows, log = cleaned(folder, [row, row], mends={1: "FT443"}, drops={})
        assert rows == [row, expected]
        assert [(entry["origin"], entry["action"], entry["code"]) for entry in log] == [
            ("rows.jsonl:2", "changed", "FT443")
        ]


def test_mend_that_changes_nothing_is_not_logged(tmp_path: Path) -> None:
    row = {"instruction": "q", "output": "A"}
    assert cleaned(tmp_path, [row], mends={0: "FT443"}, drops={}) == ([row], [])


def test_changes_are_logged_in_the_order_of_the_lines(tmp_path: Path) -> None:
    row = {"instruction": "q", "output": "a"}
    rows, log = cleaned(tmp_path, [row, "{broken", row, row, "[1]"], mends={1: "FT443"}, drops={2: "FT201"})
    assert [entry["origin"] for entry in log] == [f"rows.jsonl:{line}" for line in (2, 3, 4, 5)]
    assert [entry["code"] for entry in log] == ["FT101", "FT443", "FT201", "FT102"]
    assert len(rows) == 2


def test_number_beyond_json_drops_the_row_and_says_so(tmp_path: Path) -> None:
    rows, log = cleaned(tmp_path, ['{"instruction": "q", "output": "a", "score": 1e999}'], mends={}, drops={})
    assert (rows, log[0]["code"]) == ([], "FT110")


def test_half_a_character_in_an_unread_field_is_kept_escaped(tmp_path: Path) -> None:
    line = '{"instruction": "q", "output": "a", "note": "\\ud83d"}'
    assert cleaned(tmp_path, [line], mends={}, drops={})[0] == [json.loads(line)]


def test_wrong_targets_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    for name, told in (
        ("rows.jsonl", "must not name a file that is read"),
        ("clean.csv", "must end in .jsonl"),
        ("none/clean.jsonl", "must be a file in a folder that exists"),
    ):
        path = tmp_path / name
        (problem,) = check_targets(path, [path], [tmp_path / "rows.jsonl"])
        assert problem.what.startswith(told)
