"""The check as a whole: every fault of a spoiled set is found at its place, and none is invented on the clean demo."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftlab.check.report import CheckReport
from ftlab.problem import InputError
from ftlab.stage.check import check
from tests.config.composition import composed
from tests.reference.spoiled import write_spoiled

Row = dict[str, Any]
Check = Callable[..., CheckReport]

SEED_ROW = {
    "instruction": "你是一名资深的金融理财顾问,请回答以下问题:",
    "input": "什么是复利效应?",
    "output": "复利效应是指利息也能产生利息,使本金随时间加速增长。",
}


@pytest.fixture
def checked(tmp_path: Path) -> Check:
    """Checks rows, or what the overrides name."""

    def run(rows: list[Row] | None, *overrides: str) -> CheckReport:
        given = [f"data.path={write(tmp_path / 'mine.jsonl', rows)}"] if rows is not None else []
        (tmp_path / "run").mkdir(exist_ok=True)
        return check(
            composed(
                "task=check", f"output_dir={tmp_path / 'run'}", "data.cache=null", "offline=true", *given, *overrides
            )
        ).report

    return run


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def rows(count: int = 60) -> list[Row]:
    places = ("harbour", "market", "station", "castle", "bridge")
    verbs = ("opens", "closes", "rests", "counts", "writes")
    return [
        {
            "instruction": f"When does the branch at the {places[n % 5]} number {n} do it?",
            "input": "",
            "output": f"Branch {n} {verbs[n % 5]} on day {n % 28 + 1}, as the head of office {n * 7} says.",
        }
        for n in range(count)
    ]


def found(report: CheckReport) -> dict[str, set[str]]:
    places: dict[str, set[str]] = defaultdict(set)
    for group in report.groups:
        assert group.findings_count == len(group.first)
        for finding in group.first:
            places[finding.where].add(group.code)
    return dict(places)


def counts(report: CheckReport) -> dict[str, int]:
    return {group.code: group.findings_count for group in report.groups}


def test_every_fault_of_the_spoiled_set_is_found_at_its_line_and_no_other(tmp_path: Path, checked: Check) -> None:
    spoiled = write_spoiled(tmp_path)
    alone = "data.validation_fraction=0"  # no row is dealt out for testing: which one would be is the hash's whim
    report = checked(None, f"data.path={spoiled.path}", f"data.validation_path={spoiled.validation_path}", alone)
    assert found(report) == spoiled.faults
    assert sum(map(len, spoiled.faults.values())) >= 50
    assert len({code for codes in spoiled.faults.values() for code in codes}) >= 35
    assert (report.outcome, report.exit_code) == ("errors", 2)


def test_clean_demo_has_no_finding(checked: Check) -> None:
    report = checked(None)
    assert report.groups == ()
    assert (report.outcome, report.exit_code) == ("clean", 0)
    assert [(account.split, account.read, account.kept) for account in report.accounts] == [
        ("train", 754, 754),
        ("validation", 119, 119),
        ("test", 62, 62),
    ]
    assert report.tokens is not None
    assert report.tokens.rows == 754
    assert report.tokens.total_steps == 144
    assert sum(count for _, _, count in report.tokens.histogram) == 754


def test_seed_row_goes_through_unharmed(tmp_path: Path, checked: Check) -> None:
    report = checked([SEED_ROW], f"check.write={tmp_path / 'clean.jsonl'}")
    assert report.outcome != "errors"
    assert counts(report).keys() <= {"FT304"}  # a single row makes few steps
    assert (tmp_path / "clean.jsonl").read_text(encoding="utf-8") == (tmp_path / "mine.jsonl").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "clean.changes.jsonl").read_text() == ""


def test_every_row_is_accounted_for(tmp_path: Path, checked: Check) -> None:
    spoiled = write_spoiled(tmp_path)
    report = checked(None, f"data.path={spoiled.path}", f"data.validation_path={spoiled.validation_path}")
    for account in report.accounts:
        assert account.read == account.kept + account.changed + account.dropped
        assert sum(account.reasons.values()) == account.changed + account.dropped
    lines = sum(len((spoiled.path / name).read_bytes().splitlines()) for name in ("alpaca.jsonl", "messages.jsonl"))
    table, unread_file, held_out = 3, 1, 1
    assert sum(account.read for account in report.accounts) == lines + table + unread_file + held_out


def test_cleaned_set_checks_clean_and_says_every_change(tmp_path: Path, checked: Check) -> None:
    spoiled = write_spoiled(tmp_path)
    held_out = f"data.validation_path={spoiled.validation_path}"
    original = spoiled.path / "alpaca.jsonl"
    before = original.read_bytes()
    clean = tmp_path / "clean.jsonl"
    overrides = (held_out, f"check.write={clean}", "check.mask_personal_data=true", "data.validation_fraction=0")
    first = checked(None, f"data.path={original}", *overrides)
    assert original.read_bytes() == before
    log = [json.loads(line) for line in (tmp_path / "clean.changes.jsonl").read_text(encoding="utf-8").splitlines()]
    dropped = {entry["origin"] for entry in log if entry["action"] == "dropped"}
    assert len(dropped) == sum(account.dropped for account in first.accounts)
    assert len(clean.read_text(encoding="utf-8").splitlines()) == len(before.splitlines()) - len(dropped)
    assert all(entry["code"] in spoiled.faults[entry["origin"]] for entry in log)
    text = clean.read_text(encoding="utf-8")
    assert "eva.lindner@harbour-mail.com" not in text
    assert "4539 1488 0343 6467" not in text
    again = checked(None, f"data.path={clean}", held_out, "data.validation_fraction=0")
    mended = {group.code for group in first.groups if group.remedy != "keep"}
    assert not mended & counts(again).keys()
    assert again.outcome != "errors"
    once = clean.read_bytes()
    checked(None, f"data.path={original}", *overrides)
    assert clean.read_bytes() == once


def test_sources_that_are_mixed_in_are_named_with_what_each_gives(tmp_path: Path, checked: Check) -> None:
    general = write(
        tmp_path / "general.jsonl", [{"prompt": f"Name {n}.", "completion": f"It is {n}."} for n in range(9)]
    )
    old = write(tmp_path / "old.jsonl", [{"text": f"Once upon a time there were {n} towns."} for n in range(30)])
    mixed = f"data.mix=[{{path: {general}, weight: 0.5, format: prompt-completion}}]"
    replay = f"data.replay={{path: {old}, share: 0.25, format: auto}}"
    report = checked(rows(), mixed, replay, "data.validation_fraction=0", "data.train_on=text")
    assert report.sources == (str(tmp_path / "mine.jsonl"), str(general), str(old))
    assert report.row_format == "alpaca, prompt-completion, text"
    shares = [note for note in report.notes if note.startswith("Source ")]
    assert [note.partition(": ")[0] for note in shares] == ["Source main", "Source general", "Source replay"]
    assert "an epoch takes 21 of them, 24.7% of its rows" in shares[2]


def test_file_that_cannot_be_read_is_told_once(tmp_path: Path, checked: Check) -> None:
    (tmp_path / "rows.jsonl").write_text("instruction,output\nWho?,I.\n")
    assert counts(checked(None, f"data.path={tmp_path / 'rows.jsonl'}")) == {"FT104": 1}


@pytest.mark.parametrize("code", ["FT108", "FT510"])
def test_silence_that_leaves_no_row_is_an_error(tmp_path: Path, checked: Check, code: str) -> None:
    (tmp_path / "broken.jinja").write_text("{{ messages.nothing.at.all }}")
    row = {"instruction": "Q", "output": ""} if code == "FT108" else rows(1)[0]
    template = "default" if code == "FT108" else tmp_path / "broken.jinja"
    report = checked([row], f"check.silence=[{code}]", f"model.chat_template={template}")
    assert counts(report) == {code: 1, "FT607": 1}
    assert report.exit_code == 2


@pytest.mark.parametrize("name", ["", "..", "pages/check.html", "check.json"])
def test_page_that_is_no_file_name_is_refused(checked: Check, name: str) -> None:
    with pytest.raises(InputError, match=r"check\.page: must be a file's name that ends in .html"):
        checked(rows(), f"check.page='{name}'")


def test_original_is_never_written_over(tmp_path: Path, checked: Check) -> None:
    with pytest.raises(InputError, match="must not name a file that is read"):
        checked(rows(), f"check.write={tmp_path / 'mine.jsonl'}")


def test_files_of_different_formats_are_not_cleaned_into_one(tmp_path: Path, checked: Check) -> None:
    write_spoiled(tmp_path)
    with pytest.raises(InputError, match="needs rows of one format with the same names"):
        checked(None, f"data.path={tmp_path / 'train'}", f"check.write={tmp_path / 'clean.jsonl'}")


def test_own_names_are_kept_in_the_cleaned_set(tmp_path: Path, checked: Check) -> None:
    made = [{"question": row["instruction"], "answer": row["output"], "id": n} for n, row in enumerate(rows())]
    made[3]["answer"] = {"opens": 9, "head": "zero\u200bwidth"}
    report = checked(made, f"check.write={tmp_path / 'clean.jsonl'}")
    assert report.columns == {"instruction": "question", "output": "answer"}
    assert report.guessed
    made[3]["answer"]["head"] = "zerowidth"
    kept = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()]
    assert kept == made


def test_silenced_fault_leaves_the_row_out_and_counts_it(checked: Check) -> None:
    made = [*rows(), {"instruction": "Who?", "input": "", "output": ""}]
    assert checked(made).exit_code == 2
    report = checked(made, "check.silence=[FT108]")
    assert report.exit_code == 0
    assert [group.gravity for group in report.groups if group.code == "FT108"] == ["silenced"]
    assert [(account.split, account.dropped, account.reasons) for account in report.accounts][-1] == (
        "unreadable",
        1,
        {"FT108": 1},
    )


def test_warnings_give_one_only_where_they_are_strict_and_two_where_they_are_raised(checked: Check) -> None:
    made = rows()
    made.append(made[0])
    assert (report := checked(made)).exit_code == 0
    assert counts(report) == {"FT201": 1, "FT304": 1}
    assert checked(made, "check.strict=true").exit_code == 1
    assert checked(made, "check.errors=[FT201]").exit_code == 2


def test_unknown_code_is_told_with_the_one_that_was_meant(checked: Check) -> None:
    with pytest.raises(InputError, match=r"check\.silence: must name codes.*'FT20'.*Did you mean FT20"):
        checked(rows(), "check.silence=[FT20]")


def test_long_rows_are_told_with_what_each_policy_would_do(checked: Check) -> None:
    made = [*rows(), {"instruction": "All?", "input": "", "output": "One thing follows another. " * 400}]
    report = checked(made, "data.validation_fraction=0")
    assert counts(report)["FT301"] == 1
    assert report.tokens is not None
    assert report.tokens.over_limit_rows == 1
    policies = {policy.policy: policy for policy in report.tokens.policies}
    assert policies["error"].rows == 0
    assert policies["drop"].rows == 60
    assert policies["truncate"].rows == 61
    assert policies["split"].rows > 61
    assert policies["split"].lost_supervised_tokens == 0
    warned = checked(made, "data.long_rows=drop", "data.validation_fraction=0")
    assert counts(warned)["FT302"] == 1
    assert warned.exit_code == 0


def test_report_and_page_lie_in_the_runs_folder(tmp_path: Path, checked: Check) -> None:
    report = checked(rows())
    saved = json.loads((tmp_path / "run" / "check.json").read_text(encoding="utf-8"))
    assert saved["outcome"] == report.outcome
    assert saved["accounts"][0]["read"] == report.accounts[0].read
    assert (tmp_path / "run" / "check.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("row", [rows(1)[0], {"messages": "none"}, {"x": 1}])
def test_set_without_a_row_to_train_on_still_gets_its_report(row: Row, checked: Check) -> None:
    report = checked([row | {"output": None}] * 3)
    assert report.exit_code == 2
    assert report.tokens is None
    assert sum(account.dropped for account in report.accounts) == 3
