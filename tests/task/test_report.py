"""`task=report` draws a run's page anew or compares many runs, without weights, and says what can't be read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftlab.problem import InputError
from ftlab.task import report
from tests.config.composition import composed
from tests.reference import made_sweep
from tests.reference.made_run import made_card, write_run


def test_it_writes_the_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, made_card(), steps=20)
    report.run(composed("task=report", f"run={tmp_path}"))
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("null", "must be given, or `runs` in its place, but neither is."),
        ("nowhere", "must be a folder, but 'nowhere' is none."),
        (".", "holds no run.json: it is no run folder."),
    ],
)
def test_what_is_no_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        report.run(composed("task=report", f"run={name}"))
    assert [problem.where for problem in caught.value.problems] == ["run"]


def test_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, made_card(format=99), steps=2)
    with pytest.raises(InputError, match="must be at most 1, but is 99"):
        report.run(composed("task=report", f"run={tmp_path}"))


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, ftlab.task.report; print(*{'torch', 'transformers', 'wandb', 'lightning'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


FILES = ["comparison.csv", "comparison.html", "comparison.json", "comparison.md"]


def small_sweep(folder: Path, *methods: str) -> Path:
    for number, (method, seed) in enumerate((method, seed) for method in methods for seed in "123"):
        overrides = {"method": method, "seed": seed}
        values = made_sweep.made_values(0.3 + number / 100)
        made_sweep.made_job(folder, number, overrides, made_sweep.made_card(overrides, values, number=number))
    return folder


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_sweep_is_compared_on_the_terminal_and_in_four_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_sweep(tmp_path, "full", "lora")
    report.run(composed("task=report", f"runs={tmp_path}", "report.price_per_hour=2.5"))
    said = capsys.readouterr().out
    assert "Verdict" in said
    assert "comparison.html" in "".join(line.strip("│ ") for line in said.split("\n"))
    assert written(tmp_path) == FILES
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["full", "lora"]
    assert found["price_per_hour"] == 2.5
    assert found["verdict"][0] in (tmp_path / "comparison.html").read_text().replace("&#39;", "'")


def test_several_folders_and_patterns_are_one_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_sweep(tmp_path / "multi" / "a", "full", "lora")
    small_sweep(tmp_path / "multi" / "b", "qlora")
    single = small_sweep(tmp_path / "c", "dora") / "0-dora"
    report.run(composed("task=report", f"runs=[multi/*,{single}]", "report.by=[method]"))
    found = json.loads((tmp_path / "multi" / "a" / "comparison.json").read_text())
    assert {row["name"]: row["done"] for row in found["rows"]} == {"full": 3, "lora": 3, "qlora": 3, "dora": 1}
    assert not written(tmp_path / "multi" / "b")


@pytest.mark.parametrize(
    ("overrides", "where", "said"),
    [
        (["runs=[nowhere,empty,newer]"], ["runs"] * 3, "'nowhere' is none"),
        (["runs=[nowhere,empty,newer]"], ["runs"] * 3, "empty holds no run"),
        (["runs=[nowhere,empty,newer]"], ["runs"] * 3, "must be at most 1, but is 9"),
        (
            ["runs=sweep", "report.by=[method,rank]"],
            ["report.by"],
            "none has rank.*\n?.*The runs differ in: method, seed",
        ),
        (["runs=sweep", "run=sweep"], ["run"], "but both are"),
    ],
)
def test_what_cannot_be_compared_is_said_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], where: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    small_sweep(tmp_path / "sweep", "full", "lora")
    (tmp_path / "empty").mkdir()
    made_sweep.made_job(tmp_path / "newer", 0, {}, made_sweep.made_card({}, {}, format=9))
    with pytest.raises(InputError, match=said) as caught:
        report.run(composed("task=report", *overrides))
    assert [problem.where for problem in caught.value.problems] == where
    assert not written(tmp_path / "sweep")
