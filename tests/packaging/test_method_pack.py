"""A third party's method: built into a wheel, installed, seen by `--help`, trained, saved and loaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file

from ftlab.config import target
from ftlab.method.saved import load_adapter
from tests.reference.trained_run import tiny, write_rows

PACK = Path(__file__).parents[2] / "plugins" / "example_method_pack"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack, installed into a folder of its own."""
    uv = shutil.which("uv")
    assert uv, "the README's test command runs under uv"
    folder = tmp_path_factory.mktemp("pack")
    source = shutil.copytree(PACK, folder / "source")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("acme_methods-1.0.0-*.whl")
    install = [
        uv,
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-deps",
        "-p",
        sys.executable,
        "--target",
        str(folder / "site"),
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder / "site"


def ftlab(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "ftlab", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)


def test_help_lists_the_method_of_a_pack(site: Path, tmp_path: Path) -> None:
    assert "lora-fa" in ftlab(site, tmp_path, "--help").stdout


def test_mistyped_key_of_a_pack_is_told_by_its_signature(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    node = OmegaConf.load(site / "acme_methods" / "conf" / "method" / "lora-fa.yaml")
    assert isinstance(node, DictConfig)
    assert list(target.check_node(target.method_keys(node) | {"r": 8}, "method")) == []
    (problem,) = target.check_node(target.method_keys(node) | {"lora_alfa": 8}, "method")
    assert str(problem).startswith("method.lora_alfa: is not a key of acme_methods.lora_fa.LoraFa. Did you mean")
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_methods"]:
        del sys.modules[name]  # the next test does without the pack


@pytest.mark.slow
def test_method_of_a_pack_trains_and_what_it_saves_loads_without_the_pack(site: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl")
    words = ["method=lora-fa", "method.r=4", "data=prompt-completion", "data.path=rows.jsonl", "hydra.run.dir=run"]
    words += ["evaluation=none", "logger=none", "~callbacks.samples", "training.max_steps=2", "training.batch_rows=4"]
    done = ftlab(site, tmp_path, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["status"] == "done"
    weights = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    b = {name: weight for name, weight in weights.items() if ".lora_B." in name}
    assert card["model"]["trainable_parameters"] == sum(weight.numel() for weight in b.values())
    assert all(weight.any() for weight in b.values())
    assert len(b) * 2 == len(weights)

    assert "acme_methods" not in sys.modules
    base = tiny()
    ids = torch.arange(20, 30)[None]
    with torch.no_grad():
        before = base(input_ids=ids).logits
        after = load_adapter(base, tmp_path / "run" / "adapter")(input_ids=ids).logits
    assert not torch.allclose(before, after)
