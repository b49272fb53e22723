"""`task=evaluate` as a user starts it: the run's own settings come back, and its folder stays as it is."""

import json
from pathlib import Path

import pytest

from tests.reference import command
from tests.reference.read_wandb import read_offline_run
from tests.reference.trained_run import write_adapter, write_rows, write_run

pytestmark = pytest.mark.slow


def test_a_run_is_measured_into_a_folder_of_its_own(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "mine.jsonl", 40)
    run = write_run(tmp_path / "run", "method=lora", f"data.path={rows}", "logger=none", "evaluation=none")
    write_adapter(run / "adapter")
    before = {path.name for path in run.rglob("*")}
    done = command.run(tmp_path, "task=evaluate", "trainer=cpu", "run=run", "evaluation=perplexity", "logger=[wandb]")
    assert done.returncode == 0, done.stderr
    assert "perplexity of answers" in done.stdout
    assert "tiny · lora · demo" in done.stdout
    assert {path.name for path in run.rglob("*")} == before

    (folder,) = tmp_path.glob("runs/*/*-evaluate")
    found = json.loads((folder / "evaluation.json").read_text())["evaluation"]["perplexity"]
    assert json.loads((folder / "run.json").read_text())["config"]["data"]["path"] == str(rows)
    assert found["difference"]["low"] < found["difference"]["loss"] < found["difference"]["high"]
    (offline,) = (folder / "wandb").glob("offline-run-*")
    (logged,) = [row for row in read_offline_run(offline).numbers() if "test/loss" in row]
    assert logged["test/loss"] == pytest.approx(found["answers"]["tuned"]["loss"])
