"""Every shipped method trains the embedded model, and what it saves says the same without ftlab."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from ftlab.data.row import EncodedRow
from ftlab.model.load import embedded_path, load_model
from ftlab.quantization.bitsandbytes import quantization_config
from ftlab.stage.prepare import prepare
from tests.config.composition import choices, composed

METHODS = choices("method")
QUICK = (
    "training.max_steps=3", "training.batch_rows=8", "evaluation.base=false", "evaluation.samples=0",
    "evaluation.format_rows=0", "logger=none", "~callbacks.samples", "~callbacks.checkpoint",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One short run a method, all in one multirun."""
    folder = tmp_path_factory.mktemp("methods")
    names = ",".join(METHODS)
    command = [sys.executable, "-m", "ftlab", "-m", f"method={names}", f"hydra.sweep.dir={folder}", *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        json.loads((path / "run.json").read_text())["config"]["method"]["name"]: path for path in folder.glob("*-*")
    }


@pytest.fixture(scope="module")
def test_rows(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedRow]:
    return prepare(composed(f"output_dir={tmp_path_factory.mktemp('rows')}", "offline=true")).test


def _reload(run: Path, card: dict[str, Any]) -> nn.Module:
    if (run / "model").exists():
        return AutoModelForCausalLM.from_pretrained(run / "model", dtype=torch.float32).eval()
    kind = card["config"]["quantization"]["kind"]
    if kind == "none":
        base = AutoModelForCausalLM.from_pretrained(embedded_path(), dtype=torch.float32)
    else:
        base = load_model(path=None, device="cpu", quantization_config=quantization_config(kind, device="cpu"))
    return PeftModel.from_pretrained(base, run / "adapter").eval()


@torch.no_grad()
def _mean_nll(model: nn.Module, rows: list[EncodedRow]) -> float:
    """Row by row, with nothing of ftlab's: virtual tokens stand before the row, so its logits are the last ones."""
    total, tokens = 0.0, 0
    for row in rows:
        logits = model(input_ids=row.ids[None]).logits[0, -len(row) :]
        carried = row.supervised[1:]
        total += functional.cross_entropy(logits[:-1][carried], row.ids[1:][carried], reduction="sum").item()
        tokens += int(carried.sum())
    return total / tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_saves_scores_the_same_without_ftlab(
    name: str, runs: dict[str, Path], test_rows: list[EncodedRow]
) -> None:
    card = json.loads((runs[name] / "run.json").read_text())
    assert card["status"] == "done"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's and Transformers' own deprecations while they load
        found = _mean_nll(_reload(runs[name], card), test_rows)
    assert found == pytest.approx(card["metrics"]["test/loss"], rel=1e-4)
