"""The main job as a user starts it: what it reaches, what it leaves behind, and what an interruption does to it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ftlab.logger.csv import read_metrics
from tests.reference.command import Command, run
from tests.reference.page import Page, assert_self_contained
from tests.reference.read_wandb import read_offline_run

QUICK = (
    "evaluation=none", "logger=none", "~callbacks.samples", "training.batch_rows=8", "training.max_steps=6",
    "training.eval_every_steps=6",
)  # fmt: skip


def _run(folder: Path, *overrides: str) -> None:
    done = run(folder.parent, f"hydra.run.dir={folder}", *overrides)
    assert done.returncode == 0, done.stdout + done.stderr


def _card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return card


@pytest.fixture(scope="module")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default") / "run"
    command = [sys.executable, "-m", "ftlab", f"hydra.run.dir={folder}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
    assert done.returncode == 0, done.stdout
    assert "times lower" in done.stdout
    assert "strict JSON" in done.stdout
    assert "W&B is offline" in done.stdout
    assert "data.replay=" in done.stdout  # the run has forgotten: it says what helps
    return folder


@pytest.mark.slow
def test_default_run_learns_the_company(default_run: Path) -> None:
    card = _card(default_run)
    metrics = card["metrics"]
    assert card["status"] == "done"
    assert metrics["test/perplexity_base"] >= 5 * metrics["test/perplexity"]
    assert metrics["test/json_rate_base"] < 0.1
    assert metrics["test/json_rate"] >= 0.9
    assert card["measured"]["peak_bytes"] < 3e9
    evaluation = card["evaluation"]
    assert evaluation["perplexity"]["difference"]["high"] < 0
    assert len(evaluation["samples"]) == 3
    assert set(evaluation) >= {"perplexity", "format", "forgetting", "curve", "samples"}
    assert evaluation["forgetting"]["base"]["probe"]["right"] >= 30
    assert evaluation["forgetting"]["tuned"]["low"] > evaluation["forgetting"]["base"]["high"]


@pytest.mark.slow
def test_default_runs_page_says_that_it_is_better_and_what_was_measured(default_run: Path) -> None:
    page = Page(default_run / "report.html")
    assert_self_contained(page)
    assert len(page.source.encode()) < 1_000_000
    assert "Better at its task, at the cost of what it knew before: on 62 held-out rows" in page.words
    assert page.words.count("not measured") == 1  # the blind test needs people
    assert "task=compare" in page.words


@pytest.mark.slow
def test_default_runs_adapter_loads_without_ftlab(default_run: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ftlab.model.load import embedded_path

    adapter = default_run / "adapter"
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    ids = tokenizer("The Gold Leaf Card", return_tensors="pt").input_ids
    base = AutoModelForCausalLM.from_pretrained(embedded_path(), dtype=torch.float32)
    before = base(ids).logits
    tuned = PeftModel.from_pretrained(base, adapter)
    assert not torch.allclose(tuned(ids).logits, before, atol=1e-2)
    with tuned.disable_adapter():
        assert torch.equal(tuned(ids).logits, before)


@pytest.mark.slow
def test_default_runs_wandb_history_is_its_metrics_file(default_run: Path) -> None:
    (folder,) = (default_run / "wandb").glob("offline-run-*")
    run = read_offline_run(folder)
    merged: dict[int, dict[str, float]] = {}
    for row in run.numbers():
        merged.setdefault(int(row["step"]), {}).update(row)
    record = {int(row["step"]): row for row in read_metrics(default_run / "metrics.csv")}
    assert set(merged) == set(record)
    assert len(record) == 145
    for step, row in record.items():
        assert {key: merged[step][key] for key in row} == pytest.approx(row)
    assert run.exit_code == 0
    assert run.artifacts


@pytest.mark.slow
def test_interrupted_run_goes_on_to_the_losses_of_an_unbroken_one(tmp_path: Path) -> None:
    steps = ("training.max_steps=20", "training.checkpoint_every_steps=5", "training.eval_every_steps=10")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _run(whole, *QUICK, *steps)
    command = Command(tmp_path, f"hydra.run.dir={broken}", *QUICK, *steps)
    deadline = time.monotonic() + 200
    while not list(broken.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    command.interrupt(signal.SIGTERM)
    done = command.wait()
    assert done.returncode == 130, done.stdout + done.stderr
    assert "resume=auto" in done.stdout + done.stderr
    assert _card(broken)["status"] == "interrupted"
    assert "The run was interrupted at step" in Page(broken / "report.html").words

    _run(broken, *QUICK, *steps, "resume=auto")
    card = _card(broken)
    assert (card["status"], card["attempt"]) == ("done", 2)
    losses = [
        {row["step"]: row["train/loss"] for row in read_metrics(folder / "metrics.csv") if "train/loss" in row}
        for folder in (whole, broken)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 20


@pytest.mark.slow
def test_multirun_gives_each_job_a_wandb_run_of_its_own(tmp_path: Path) -> None:
    quick = [word for word in QUICK if word != "logger=none"]
    done = run(tmp_path, "-m", "method=full,lora,qlora", f"hydra.sweep.dir={tmp_path}", *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [read_offline_run(folder) for folder in sorted(tmp_path.glob("*/wandb/offline-run-*"))]
    assert len({run.run.run_id for run in runs}) == 3
    assert {run.run.run_group for run in runs} == {f"{tmp_path.parent.name}/{tmp_path.name}"}
    assert all(run.exit_code == 0 for run in runs)
    assert [run.run.display_name for run in runs] == ["full", "lora", "qlora"]
    found = [[run.config[key] for key in ("method_name", "quantization_name", "lr", "rank", "seed")] for run in runs]
    assert found == [["full", "none", 2e-4, None, 1], ["lora", "none", 2e-3, 16, 1], ["qlora", "nf4", 2e-3, 16, 1]]
    assert {(run.config["model_name"], run.config["sweep"]) for run in runs} == {("tiny", runs[0].run.run_group)}
    assert {_card(folder)["config"]["method"]["name"] for folder in tmp_path.glob("[0-9]-*")} == {
        "full",
        "lora",
        "qlora",
    }


@pytest.mark.slow
def test_bad_input_ends_with_code_2_and_no_weights(tmp_path: Path) -> None:
    overrides = ("data.path=nowhere.jsonl", "method=lora", "method.target_modules=[query]")
    done = run(tmp_path, f"hydra.run.dir={tmp_path / 'run'}", *overrides)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "2 problems" in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()
