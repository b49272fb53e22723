"""Every run begins with the check of its rows: errors stop it, warnings are a line, what is silenced is left out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ftlab.check import examination
from ftlab.problem import InputError
from ftlab.stage import guard, preflight
from ftlab.stage.inputs import Inputs
from ftlab.stage.prepare import prepare
from tests.config.composition import composed


def rows(count: int = 40) -> list[dict[str, Any]]:
    return [
        {"instruction": f"What does box {n} cost?", "output": f"Box {n} costs {n * 3} euros and {n % 7} cents."}
        for n in range(count)
    ]


def prepared(folder: Path, made: list[dict[str, Any]], *overrides: str) -> Inputs:
    path = folder / "mine.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in made))
    given = (
        f"data.path={path}",
        f"output_dir={folder / 'run'}",
        "trainer=cpu",
        "offline=true",
        "check.near_duplicates=false",
    )
    return prepare(composed(*given, f"data.cache={folder / 'cache'}", *overrides))


def checked_line(inputs: Inputs) -> str:
    (line,) = [note for note in inputs.notes if note.startswith("Checked ")]
    return line


def test_clean_rows_are_said_in_a_line(tmp_path: Path) -> None:
    assert checked_line(prepared(tmp_path, rows())) == "Checked 40 rows: all are used, no warnings."


def test_warnings_are_summed_up_and_stop_nothing(tmp_path: Path) -> None:
    made = rows()
    line = checked_line(prepared(tmp_path, [*made, made[3], made[4]]))
    assert line == ("Checked 42 rows: all are used, warnings: FT201 exact duplicate 2 (task=check shows them).")


def test_all_errors_are_raised_together(tmp_path: Path) -> None:
    made = [
        *rows(),
        {"instruction": "?", "output": ""},
        {"instruction": "Key?", "output": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
    ]
    with pytest.raises(InputError) as error:
        prepared(tmp_path, made, "check.errors=[FT421]", "method=lora", "method.target_modules=[query]")
    assert {problem.code for problem in error.value.problems} >= {"FT108", "FT411", ""}


def test_silenced_fault_leaves_its_row_out_of_training_and_counts_it(tmp_path: Path) -> None:
    made = [*rows(), {"instruction": "Q", "output": ""}, {"instruction": "All?", "output": "So on and on. " * 900}]
    inputs = prepared(tmp_path, made, "check.silence=[FT108,FT301]")
    assert len(inputs.train) + len(inputs.validation) + len(inputs.test) == 40
    assert len(inputs.rows.train) == len(inputs.train)
    assert checked_line(inputs) == (
        "Checked 42 rows: 2 left out (FT108 empty answer 1, FT301 row over the limit 1), no warnings."
    )


def test_warning_that_is_raised_stops_the_run(tmp_path: Path) -> None:
    made = rows()
    with pytest.raises(InputError, match=r"mine\.jsonl:41: is the same row as .*mine\.jsonl:1"):
        prepared(tmp_path, [*made, made[0]], "check.errors=[FT201]")


def test_nothing_left_to_train_on_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold a row that can be trained on, but of 3 none is left"):
        prepared(tmp_path, [{"instruction": "Q", "output": ""}] * 3, "check.silence=[FT108]")


def test_rows_that_were_looked_at_are_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [*rows(), rows()[5]]
    first = checked_line(prepared(tmp_path, made))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the rows were looked at before")

    monkeypatch.setattr(examination, "find_content", refuse)
    monkeypatch.setattr(preflight, "check_masks", refuse)
    assert checked_line(prepared(tmp_path, made)) == first
    assert "FT201 exact duplicate 1" in first
    with pytest.raises(AssertionError, match="looked at before"):
        prepared(tmp_path, [*made, made[7]])


@pytest.mark.parametrize("policy", ["truncate", "split", "drop"])
def test_long_rows_that_a_policy_changes_break_no_mask(tmp_path: Path, policy: str) -> None:
    made = [*rows(), {"instruction": "All?", "output": "So on and on. " * 900}]
    inputs = prepared(tmp_path, made, f"data.long_rows={policy}", "data.validation_fraction=0")
    assert len(inputs.train) == {"truncate": 41, "drop": 40}.get(policy, len(inputs.train))
    assert checked_line(inputs).startswith("Checked 41 rows: all are used, no warnings")


def test_each_answer_of_a_conversation_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"role": role, "content": f"{role} says {n}"} for n in range(2) for role in ("user", "assistant")]
    seen: list[int] = []

    def count(encoded: Iterable[object], *_: object, **__: object) -> list[object]:
        seen.append(sum(1 for _ in encoded))
        return []

    monkeypatch.setattr(preflight, "check_masks", count)
    inputs = prepared(tmp_path, [{"messages": turns}], "data.train_on=each")
    assert len(inputs.train) == 2
    assert sum(seen) == 2


def test_large_set_is_looked_at_in_part_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SMALL_ROWS", 10)
    inputs = prepared(tmp_path, rows(), "check.near_duplicates=auto")
    said = "The content of 10 of these rows was looked at, and near duplicates weren't looked for"
    assert f"{said}: task=check looks at all." in inputs.notes


def test_the_account_has_every_row_and_the_first_findings_of_each_kind(tmp_path: Path) -> None:
    made = rows()
    empty = {"instruction": "Why?", "output": ""}
    check = prepared(tmp_path, [*made, made[3], *[empty] * 5], "check.silence=[FT108]").check
    counts = {account["split"]: (account["read"], account["kept"], account["dropped"]) for account in check["accounts"]}
    assert sum(read for read, _, _ in counts.values()) == 46
    assert sum(kept for _, kept, _ in counts.values()) == 41
    assert sum(dropped for _, _, dropped in counts.values()) == 5
    groups = {group["code"]: group for group in check["groups"]}
    assert (groups["FT108"]["gravity"], groups["FT108"]["findings_count"]) == ("silenced", 5)
    assert len(groups["FT108"]["first"]) == 3
    assert (check["outcome"], groups["FT201"]["gravity"]) == ("warnings", "warning")
