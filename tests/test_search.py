"""`python -m ftlab -m search=...`: real runs, of which the search ends those that won't win."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.command import run
from tests.reference.trained_run import write_rows

SEARCH = (
    "-m", "search=learning-rate", "method=lora", "data=prompt-completion", "data.path=rows.jsonl", "logger=none",
    "~callbacks.samples", "training.max_steps=3", "training.eval_every_steps=1", "training.batch_rows=4",
    "training.lr_factor=1e-6,10", "scheduler.warmup=0", "hydra.sweep.dir=sweep", "hydra.sweeper.sampler=RandomSampler",
    "hydra.sweeper.sampler_options=null", "hydra.sweeper.seed=0", "hydra.sweeper.pruner_options.n_startup_trials=1",
    "hydra.sweeper.pruner_options.n_warmup_steps=0",
)  # fmt: skip
"""A learning rate that learns nothing, and one that does; the seed draws the latter first."""


def _cards(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*/run.json"))]


@pytest.mark.slow
def test_search_ends_a_run_that_learns_nothing_and_runs_none_again(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl")
    done = run(tmp_path, *SEARCH, "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout + done.stderr
    learned, pruned = _cards(tmp_path / "sweep")
    assert (learned["status"], pruned["status"]) == ("done", "pruned")
    assert pruned["pruned"]["step"] == 1
    assert pruned["metrics"]["val_loss"] > learned["metrics"]["val_loss"]
    assert "error" not in pruned
    assert f"Best: #0 with {learned['metrics']['val_loss']:.6g}: training.lr_factor=10" in done.stderr
    (page,) = (tmp_path / "sweep").glob("1-*/report.html")
    assert "was ended by the search at step 1 of 3: others did better by then." in page.read_text()

    again = run(tmp_path, *SEARCH, "hydra.sweeper.n_trials=2")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 trials, 2 of them before" in again.stderr
    assert _cards(tmp_path / "sweep") == [learned, pruned], "what has ended is left as it is"
