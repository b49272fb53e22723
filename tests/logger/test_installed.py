"""A logger whose package is missing is refused with the command that installs it, before anything is loaded."""

import importlib.util
from pathlib import Path

import pytest

from ftlab.logger.installed import PACKAGES, check_installed
from ftlab.problem import InputError
from ftlab.stage.prepare import prepare
from tests.config.composition import composed

CLASSES = {
    "wandb": "ftlab.logger.wandb.WandbRun",
    "trackio": "ftlab.logger.trackio.TrackioRun",
    "tensorboard": "ftlab.logger.tensorboard.TensorBoardRun",
}


def test_loggers_whose_package_is_missing_are_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = [str(problem) for problem in check_installed(CLASSES)]
    assert [line.partition(":")[0] for line in said] == ["logger.trackio", "logger.tensorboard"]
    assert "needs the package trackio, which isn't installed. Install it: pip install 'ftlab[trackio]'." in said[0]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert check_installed(CLASSES) == []


def test_a_run_is_refused_together_with_what_else_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name in PACKAGES.values() else find(name))
    cfg = composed("logger=[trackio,tensorboard]", "data.path=nowhere.jsonl", f"output_dir={tmp_path}", "trainer=cpu")
    with pytest.raises(InputError) as caught:
        prepare(cfg)
    said = str(caught.value)
    assert "pip install 'ftlab[trackio]'" in said
    assert "pip install 'ftlab[tensorboard]'" in said
    assert "data.path: " in said
