"""The wheel carries everything: installed in a fresh environment, it trains from another folder."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_package_conf_plugins_model_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "ftlab/app.py",
        "ftlab/conf/config.yaml",
        "ftlab/conf/method/qlora.yaml",
        "ftlab/model/tiny/model.safetensors",
        "ftlab/model/tiny/tokenizer.json",
        "ftlab/data/demo/train.jsonl",
        "ftlab/evaluation/blind/template/rate.html",
        "ftlab/evaluation/blind/template/rate.js",
        "ftlab/evaluation/blind/template/text.css",
        "hydra_plugins/hydra_ftlab_hub/hub.py",
        "hydra_plugins/hydra_ftlab_hub/_model.py",
        "hydra_plugins/hydra_ftlab_searchpath/__init__.py",
        "hydra_plugins/hydra_gpu_pool_launcher/gpu_pool_launcher.py",
        "hydra_plugins/hydra_gpu_pool_launcher/_worker.py",
        "hydra_plugins/hydra_ftlab_optuna/optuna_sweeper.py",
        "hydra_plugins/hydra_ftlab_optuna/_search.py",
        "ftlab/conf/search/default.yaml",
    ):
        assert needed in names
    assert "hydra_plugins/__init__.py" not in names, "hydra_plugins must stay a native namespace package"
    shipped = {name for name in names if name.startswith("ftlab/conf/")}
    assert len(shipped) == len(list((ROOT / "conf").rglob("*.yaml")))
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "docs/"))]


@pytest.mark.slow
def test_wheel_trains_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv")
    assert uv, "the README's test command runs under uv"
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(pyproject["tool"]["uv"]["constraint-dependencies"]))
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    fresh = tmp_path / "venv"
    python = fresh / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(fresh)], check=True, env=environment)
    install = [uv, "pip", "install", "-q", "-p", str(python), "-c", str(constraints), str(wheel)]
    subprocess.run(install, check=True, env=environment, cwd=tmp_path)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    overrides = ["training.max_steps=2", "evaluation=none", "hydra/launcher=gpu_pool", "hydra.sweep.dir=sweep"]
    train = [str(fresh / "bin" / "ftlab"), "-m", *overrides]  # in a process of the launcher's, so that both are tried
    done = subprocess.run(train, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (elsewhere / "sweep").glob("0-*")
    card = json.loads((run / "run.json").read_text())
    assert card["status"] == "done"
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
