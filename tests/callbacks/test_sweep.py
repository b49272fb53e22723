"""What a run tells the launcher of a sweep."""

import json
import math
from pathlib import Path

import pytest

from ftlab.callbacks.memory import MemoryLog
from ftlab.callbacks.sweep import SweepProgress
from hydra_plugins.hydra_gpu_pool_launcher.progress import VARIABLE
from tests.callbacks.watched import watch


def test_launcher_is_told_step_loss_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress"))
    monkeypatch.setattr("ftlab.callbacks.sweep.progress.report", lambda **values: told.append(values))
    memory = MemoryLog()
    watch(tmp_path, [SweepProgress(every_s=0.0), memory])
    steps = [values["step"] for values in told if values["note"] is None]
    assert steps == [1, 2, 3, 4, 5, 6, 6]
    assert all(values["steps"] == 6 for values in told)
    assert all(math.isfinite(values["loss"]) for values in told if values["step"])
    assert told[-1]["memory_bytes"] == memory.peak_bytes > 0
    assert any((values["note"] or "").startswith("evaluating 1/") for values in told)


def test_report_is_a_file_and_comes_no_more_often_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "progress"
    monkeypatch.setenv(VARIABLE, str(file))
    watch(tmp_path, [SweepProgress(every_s=3600.0)])
    assert json.loads(file.read_text())["step"] == 6
