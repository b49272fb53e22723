"""Trackio gets what the other loggers get, and keeps a resumed run whole."""

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ftlab import metric
from ftlab.logger.csv import FILE, MetricsFile, read_metrics
from ftlab.logger.step import StepLogger
from ftlab.logger.trackio import TrackioRun

is_installed = importlib.util.find_spec("trackio") is not None
needs_trackio = pytest.mark.skipif(not is_installed, reason="Trackio isn't installed: pip install 'ftlab[trackio]'")


@pytest.fixture(scope="module", autouse=True)
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trackio reads where its database lies when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(tmp_path_factory.mktemp("trackio")))
        yield


def _storage() -> Any:
    return importlib.import_module("trackio.sqlite_storage").SQLiteStorage


def _log(loggers: list[StepLogger], steps: range) -> None:
    for step in steps:
        for logger in loggers:
            logger.log_metrics({metric.TRAIN_LOSS: torch.tensor(1 / (step + 1)), metric.STEP_S: 0.5}, step)


def _rows(run: TrackioRun, name: str) -> list[dict[str, Any]]:
    found = _storage().get_logs(run.name, name, run_id=run.version)
    return [{key: value for key, value in row.items() if key != "timestamp"} for row in found]


@needs_trackio
def test_the_same_rows_reach_trackio_under_the_runs_name_and_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = "hf_" + "a1B2" * 8
    record = MetricsFile(tmp_path)
    run = TrackioRun(tmp_path, project="rows", name="qlora-lr2e-4-s1", group="2026-01-31/12-00-00")
    run.log_hyperparams({"model": {"name": "tiny", "hub_token": secret}, "lr": 2e-4})
    _log([record, run], range(4))
    for logger in (record, run):
        logger.finish()
    assert _rows(run, "qlora-lr2e-4-s1") == read_metrics(tmp_path / FILE)
    config = _storage().get_run_config("rows", "qlora-lr2e-4-s1")
    assert config["model"] == {"name": "tiny", "hub_token": "***"}
    assert (config["lr"], config["_Group"]) == (2e-4, "2026-01-31/12-00-00")
    assert capsys.readouterr().out == ""
    assert [entry.message for entry in caplog.records] == ["Trackio: trackio show --project rows"]


@needs_trackio
def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    record, first = MetricsFile(tmp_path), TrackioRun(tmp_path, project="resumed", name="a")
    other = TrackioRun(_folder(tmp_path / "other"), project="resumed", name="a")
    _log([record, first, other], range(6))
    for logger in (record, first, other):
        logger.finish()
    record, second = MetricsFile(tmp_path), TrackioRun(tmp_path, project="resumed", name="a")
    for logger in (record, second):
        logger.resume_at(3, attempt=2)
    _log([record, second], range(4, 8))
    for logger in (record, second):
        logger.finish()
    assert second.version == first.version
    found = _rows(second, "a")
    assert found == read_metrics(tmp_path / FILE)
    assert [(row["step"], row["attempt"]) for row in found] == [(n, 1 if n <= 3 else 2) for n in range(8)]
    assert len(_rows(other, "a")) == 6  # another run of the same name


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@needs_trackio
def test_samples_and_alerts_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = TrackioRun(tmp_path, project="shown")
    run.log_metrics({metric.VAL_LOSS: 1.0}, 4)
    run.log_samples(4, [{"question": "How?", "answer": "So."}, {"question": "你好?", "answer": ""}])
    run.alert("Out of memory", "step 3")
    run.finish()
    (row,) = _rows(run, tmp_path.name)
    assert row[metric.VAL_LOSS] == 1
    assert row["samples"]["_value"] == [{"question": "How?", "answer": "So."}, {"question": "你好?", "answer": ""}]
    (alert,) = _storage().get_alerts("shown")
    assert (alert["title"], alert["text"]) == ("Out of memory", "step 3")
    assert capsys.readouterr().out == ""


@needs_trackio
def test_a_failure_is_said_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(_storage(), "validate_project_name", refuse)
    run = TrackioRun(tmp_path, project="broken")
    _log([run], range(4))
    run.alert("Out of memory", "step 3")
    run.finish()
    (said,) = (entry.message for entry in caplog.records)
    assert said.startswith("Trackio could not start (disk full); the run goes on, its record is")


@needs_trackio
def test_nobody_is_asked_who_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub, "whoami", lambda **_: pytest.fail("asked the hub"))
    run = TrackioRun(tmp_path, project="alone")
    _log([run], range(2))
    run.finish()
    assert len(_rows(run, tmp_path.name)) == 2
