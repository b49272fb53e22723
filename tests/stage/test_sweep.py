"""A sweep ends with its comparison, however its jobs ended, and its exit code stays what it was."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ftlab import app
from ftlab.stage import sweep
from tests.reference.command import run
from tests.reference.made_sweep import made_card, made_job, made_values
from tests.reference.trained_run import write_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep of two jobs that are done."""
    for number, method in enumerate(("full", "lora")):
        made_job(tmp_path, number, {"method": method}, made_card({"method": method}, made_values(0.3), number=number))
    return tmp_path


def begin(folder: Path, *, task: str = "train", show: bool = True, price_per_hour: float | None = None) -> None:
    config = OmegaConf.create({"task": {"name": task}, "hydra": {"sweep": {"dir": str(folder)}}})
    sweep.SweepComparison(show=show, price_per_hour=price_per_hour).on_multirun_start(config)


def main(monkeypatch: pytest.MonkeyPatch, folder: Path, error: BaseException | None, **settings: object) -> int:
    """The command line, where Hydra begins a sweep that ends so; returns its exit code."""

    def job() -> None:
        begin(folder, **settings)  # type: ignore[arg-type]
        if error:
            raise error

    monkeypatch.setattr(app, "_refuse_bad_input", lambda: None)
    monkeypatch.setattr(app, "job", job)
    try:
        app.main()
    except SystemExit as end:
        return int(str(end.code))
    return 0


@pytest.mark.parametrize(("error", "code"), [(None, 0), (KeyboardInterrupt(), 130), (RuntimeError("broken"), 1)])
def test_comparison_is_shown_however_the_sweep_ended(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    error: BaseException | None,
    code: int,
) -> None:
    assert main(monkeypatch, folder, error, price_per_hour=3.0) == code
    assert "Verdict" in capsys.readouterr().out
    assert json.loads((folder / "comparison.json").read_text())["price_per_hour"] == 3.0
    sweep.compare_sweep()  # once is enough
    assert capsys.readouterr().out == ""


def test_fault_of_the_comparison_changes_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "sweep.json").write_text('{"version": 99}')
    assert main(monkeypatch, folder, None) == 0
    said = capsys.readouterr()
    assert "The sweep could not be compared (ValueError: `version` of" in said.err
    assert f"python -m ftlab task=report runs={folder}" in said.err
    assert said.out == ""


@pytest.mark.parametrize("settings", [{"show": False}, {"task": "evaluate"}])
def test_nothing_is_compared_where_nobody_wants_it_or_nothing_was_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, settings: dict[str, object]
) -> None:
    assert main(monkeypatch, folder, None, **settings) == 0
    assert capsys.readouterr() == ("", "")
    assert not (folder / "comparison.json").exists()


def test_sweep_that_never_made_a_folder_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(monkeypatch, tmp_path / "none", None) == 0
    assert capsys.readouterr() == ("", "")


def test_real_sweep_with_a_job_that_fails_ends_with_both_in_its_comparison(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl")
    settings = ["training.max_steps=1", "evaluation=none", "logger=csv", f"data.path={rows}", "trainer=cpu"]
    done = run(tmp_path, "-m", "method=lora", "method.r=4,0", *settings, "hydra.sweep.dir=sweep")
    assert done.returncode == 2, done.stderr
    assert "Not done: 1 failed of 2 jobs" in done.stdout
    found = json.loads((tmp_path / "sweep" / "comparison.json").read_text())
    assert [(row["name"], row["done"], row["asked"]) for row in found["rows"]] == [("r=4", 1, 1), ("r=0", 0, 1)]
    (failed,) = [job for job in found["jobs"] if job["status"] == "failed"]
    assert "`r` should be a positive integer" in failed["error"]
    assert (tmp_path / "sweep" / "comparison.html").stat().st_size > 10_000
