"""`task=check` as a user starts it: what is printed, which files there are, which exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.command import Done, run

pytestmark = pytest.mark.slow


def check(folder: Path, rows: list[dict[str, Any]], *overrides: str) -> Done:
    (folder / "mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return run(folder, "task=check", "data.path=mine.jsonl", "data.cache=null", "offline=true", *overrides)


def rows(count: int = 120) -> list[dict[str, Any]]:
    return [
        {"prompt": f"What does box {n} cost?", "completion": f"Box {n} costs {n * 3} euros and {n % 7} cents."}
        for n in range(count)
    ]


def test_clean_rows_end_with_zero_and_leave_report_and_page(tmp_path: Path) -> None:
    done = check(tmp_path, rows(), "check.near_duplicates=false")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing stands against training on these rows." in done.stdout
    assert "read as prompt-completion" in done.stdout
    (folder,) = tmp_path.glob("runs/*/*")
    assert (folder / "check.html").is_file()
    assert json.loads((folder / "check.json").read_text())["outcome"] == "clean"


def test_errors_end_with_two_and_name_line_fix_and_code(tmp_path: Path) -> None:
    done = check(tmp_path, [*rows(), {"prompt": "Why?", "completion": ""}], "check.write=clean.jsonl")
    assert done.returncode == 2
    assert "These rows can't be trained on as they are." in done.stdout
    assert "FT108 empty answer" in done.stdout
    assert "mine.jsonl:121" in done.stdout
    assert len((tmp_path / "clean.jsonl").read_text().splitlines()) == 120
    (change,) = (tmp_path / "clean.changes.jsonl").read_text().splitlines()
    assert json.loads(change)["origin"] == "mine.jsonl:121"
    assert "Traceback" not in done.stderr


def test_strict_warnings_end_with_one(tmp_path: Path) -> None:
    made = rows()
    done = check(tmp_path, [*made, made[0]], "check.strict=true", "check.near_duplicates=false")
    assert done.returncode == 1, done.stderr
    assert "FT201 exact duplicate" in done.stdout
