"""Sweeps of the main job on `hydra/launcher=gpu_pool`, as a user starts, ends and takes them up again."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ftlab.logger.csv import read_metrics
from tests.reference.command import Command, run

SHORT = (
    "evaluation=none", "logger=none", "~callbacks.samples", "training.batch_rows=1", "data.train_share=0.1",
    "training.eval_every_steps=100", "training.checkpoint_every_steps=1", "training.max_steps=60",
    "hydra.callbacks.comparison.show=false",
)  # fmt: skip


def _record(sweep: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((sweep / "sweep.json").read_text())
    return record


def _until_saved(folder: Path, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.glob("checkpoints/step-*")):
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_lets_jobs_save_and_the_sweep_goes_on_from_there(tmp_path: Path) -> None:
    words = ("-m", "hydra/launcher=gpu_pool", "method=lora", f"hydra.sweep.dir={tmp_path / 'sweep'}", *SHORT)
    folder = tmp_path / "sweep" / "0-lora"
    started = Command(tmp_path, *words)
    _until_saved(folder)
    started.interrupt(signal.SIGINT)
    ended = started.wait()
    assert ended.returncode == 130, ended.stdout + ended.stderr
    assert "hydra.launcher.skip_done=true" in ended.stderr
    record = _record(tmp_path / "sweep")
    assert record["status"] == "interrupted"
    assert [(job["status"], job["exit"]) for job in record["jobs"]] == [("interrupted", "130")]
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert 0 < len(read_metrics(folder / "metrics.csv")) < 60

    done = run(tmp_path, *words, "hydra.launcher.skip_done=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [job["status"] for job in _record(tmp_path / "sweep")["jobs"]] == ["done"]
    card = json.loads((folder / "run.json").read_text())
    assert (card["status"], card["attempt"]) == ("done", 2)
    attempts = [row["attempt"] for row in read_metrics(folder / "metrics.csv")]
    assert {1, 2} == set(attempts), "it went on from its checkpoint"
    command = card["command"]
    assert "hydra.mode=RUN" in command
    assert not [word for word in command if word.startswith(("hydra/launcher", "hydra.sweep", "hydra.job"))]
