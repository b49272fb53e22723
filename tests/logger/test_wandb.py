"""W&B mirrors the metrics file, keeps no secret, and can neither stop the run nor make it wait."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb

from ftlab import metric
from ftlab.logger import mode
from ftlab.logger.csv import FILE, MetricsFile, read_metrics
from ftlab.logger.mode import Decision, decide_mode
from ftlab.logger.wandb import WandbRun
from tests.reference.read_wandb import OfflineRun, read_offline_run


def _log(loggers: list[Any], steps: range) -> None:
    for step in steps:
        for logger in loggers:
            logger.log_metrics({metric.TRAIN_LOSS: torch.tensor(1 / (step + 1)), metric.STEP_S: 0.25}, step)
            if step % 3 == 0:
                logger.log_metrics({metric.VAL_LOSS: 1.0 + abs(step - 3)}, step)


def _read(run: WandbRun) -> OfflineRun:
    assert run.local_folder is not None
    return read_offline_run(run.local_folder)


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("ftlab")]


def test_history_equals_the_metrics_file(tmp_path: Path) -> None:
    record, run = MetricsFile(tmp_path), WandbRun(tmp_path)
    _log([record, run], range(10))
    record.flush()
    run.finish()
    found = _read(run)
    assert found.numbers() == read_metrics(tmp_path / FILE)
    assert len(found.history) == 10


def test_identity_axis_summary_and_exit_code_are_recorded(tmp_path: Path) -> None:
    run = WandbRun(tmp_path, project="bank", name="n", group="sweep", job_type="train", tags=["a", "b"])
    _log([run], range(10))
    run.alert("Out of memory", "step 3")
    run.finish(exit_code=3)
    run.finish()
    found = _read(run)
    assert (found.run.project, found.run.display_name, found.run.run_group) == ("bank", "n", "sweep")
    assert (found.run.job_type, list(found.run.tags), found.run.run_id) == ("train", ["a", "b"], run.version)
    assert found.metrics["*"].step_metric == metric.STEP
    assert found.summary[metric.VAL_LOSS] == {"min": 1, "last": 7}
    assert found.exit_code == 3
    assert found.alerts == [("Out of memory", "step 3", "WARN")]


def test_config_is_nested_and_nothing_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_" + "a1B2" * 8
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setattr(sys, "argv", ["ftlab", f"+model.hub_token={secret}", "method=lora"])
    run = WandbRun(tmp_path)
    run.log_hyperparams({"model": {"name": "tiny", "hub_token": secret}, "note": f"with {secret}"})
    _log([run], range(2))
    run.log_hyperparams({"resolved": {"steps": 4, "api_key": "0123456789" * 4}})
    run.finish()
    found = _read(run)
    assert found.config["model"] == {"name": "tiny", "hub_token": "***"}
    assert found.config["resolved"] == {"steps": 4, "api_key": "***"}
    assert sys.argv[1].endswith(secret)
    assert b"method=lora" in found.raw
    for file in (tmp_path / "wandb").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
            assert b"0123456789" * 4 not in file.read_bytes(), file


def test_two_runs_in_a_process_are_two_runs(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run = WandbRun(tmp_path / name)
        _log([run], range(2))
        run.finish()
        runs.append(run)
    assert runs[0].version != runs[1].version
    assert [len(_read(run).history) for run in runs] == [2, 2]
    assert [_read(run).exit_code for run in runs] == [0, 0]


def test_a_resumed_offline_run_is_whole_in_its_newest_folder(tmp_path: Path) -> None:
    record, first = MetricsFile(tmp_path), WandbRun(tmp_path)
    _log([record, first], range(6))
    record.flush()
    first.finish(exit_code=1)

    record, second = MetricsFile(tmp_path), WandbRun(tmp_path)
    for logger in (record, second):
        logger.resume_at(3, attempt=2)
    _log([record, second], range(4, 8))
    record.flush()
    second.finish()
    assert second.version == first.version
    assert second.local_folder != first.local_folder
    found = _read(second).numbers()
    assert found == read_metrics(tmp_path / FILE)
    assert [(row["step"], row["attempt"]) for row in found] == [(n, 1 if n <= 3 else 2) for n in range(8)]


def test_samples_and_adapter_are_stored(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(b"weights")
    run = WandbRun(tmp_path)
    run.log_metrics({metric.VAL_LOSS: 1.0}, 4)
    run.log_samples(4, [{"question": "How?", "answer": "So."}, {"question": "你好?", "answer": ""}])
    run.log_adapter(adapter, {"rank": 16})
    run.finish()
    found = _read(run)
    (row,) = found.history
    assert row[metric.VAL_LOSS] == 1
    assert (row["samples.nrows"], row["samples.ncols"]) == (2, 2)
    assert run.local_folder is not None
    table = json.loads((run.local_folder / "files" / row["samples.path"]).read_text())
    assert table["data"] == [["How?", "So."], ["你好?", ""]]
    (artifact,) = (artifact for artifact in found.artifacts if artifact.type == "model")  # the table is another
    (entry,) = artifact.manifest.contents
    assert (entry.path, entry.local_path) == (weights.name, str(weights))
    assert json.loads(artifact.metadata) == {"rank": 16}


def test_the_adapter_is_not_stored_where_the_user_says_so(tmp_path: Path) -> None:
    run = WandbRun(tmp_path, upload_adapter=False)
    run.log_adapter(tmp_path)
    _log([run], range(1))
    run.finish()
    assert not _read(run).artifacts


def test_offline_is_said_in_one_line_with_the_command_to_upload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, logger="ftlab"):
        run = WandbRun(tmp_path, offline=True)
        _log([run], range(3))
        run.log_samples(3, [{"answer": "So."}])
        run.log_adapter(Path(__file__).parent)
        run.finish()
    (line,) = _said(caplog)
    assert line == f"W&B is offline (offline=true). Upload the run with: wandb sync {run.local_folder}"
    assert run.sync_command == f"wandb sync {run.local_folder}"
    assert run.url is None
    out, err = capfd.readouterr()
    assert out + err == ""


def test_disabled_by_the_environment_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = WandbRun(tmp_path)
    _log([run], range(3))
    run.log_adapter(tmp_path)
    run.finish()
    assert run.mode == "disabled"
    assert not (tmp_path / "wandb").exists()
    assert (run.local_folder, run.sync_command) == (None, "")


def test_a_failing_server_leaves_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init = wandb.init

    def refuse(**kwargs: Any) -> wandb.Run:
        if kwargs["mode"] == "online":
            raise wandb.errors.CommError("401: key refused\nlong story")
        return init(**kwargs)

    monkeypatch.setattr("ftlab.logger.wandb.decide_mode", lambda offline: Decision("online"))
    monkeypatch.setattr(wandb, "init", refuse)
    run = WandbRun(tmp_path)
    _log([run], range(2))
    run.finish()
    assert run.mode == "offline"
    assert len(_read(run).history) == 2


def test_failures_never_end_the_run_and_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**kwargs: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(wandb, "init", fail)
    run = WandbRun(tmp_path)
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        _log([run], range(4))
        run.log_adapter(tmp_path / "missing")
        run.alert("a", "b")
        run.finish()
    (line,) = _said(caplog)
    assert line.startswith("W&B could not start (disk full); the run goes on")


def test_no_key_means_offline_without_asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setattr("builtins.input", lambda *args: pytest.fail("asked"))
    assert decide_mode(offline=False) == Decision("offline", "no API key")


def test_a_malformed_key_means_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "short key")
    found = decide_mode(offline=False)
    assert found.mode == "offline"
    assert "the API key can't be used" in found.reason
    assert "short key" not in found.reason


@pytest.mark.parametrize("hang", [False, True])
def test_a_key_without_network_means_offline_within_seconds(monkeypatch: pytest.MonkeyPatch, hang: bool) -> None:
    def connect(*args: Any, **kwargs: Any) -> None:
        time.sleep(30 if hang else 0)
        raise OSError("unreachable")

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setattr(mode, "PROBE_S", 0.3)
    monkeypatch.setattr("socket.create_connection", connect)
    begin = time.monotonic()
    found = decide_mode(offline=False)
    assert found.mode == "offline"
    assert found.reason.endswith(" can't be reached")
    assert time.monotonic() - begin < 2


def test_a_key_and_a_server_that_answers_mean_online(monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setattr("socket.create_connection", lambda *args, **kwargs: Connection())
    assert decide_mode(offline=False) == Decision("online")
    assert decide_mode(offline=True) == Decision("offline", "offline=true")
