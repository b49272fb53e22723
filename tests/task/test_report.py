"""`task=report` draws a run's page anew, without weights, and says what can't be drawn."""

import subprocess
import sys
from pathlib import Path

import pytest

from ftlab.problem import InputError
from ftlab.task import report
from tests.config.composition import composed
from tests.reference.made_run import made_card, write_run


def test_it_writes_the_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, made_card(), steps=20)
    report.run(composed("task=report", f"run={tmp_path}"))
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("null", "must name a run folder, but is null."),
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
