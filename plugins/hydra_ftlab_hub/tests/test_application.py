"""The plugin inside whole applications: ftlab's command line, its sweeps, its completion, and other applications."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.completion_plugin import DefaultCompletionPlugin

from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from hydra_plugins.hydra_ftlab_hub.hub import HubSearchPath
from hydra_plugins.hydra_ftlab_searchpath.searchpath import FtlabSearchPath

PATHS, NAMES = "ftlab-hub://paths", "ftlab-hub://names"


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m ftlab <words>`, started in a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FTLAB_CACHE": str(folder / "prepared"), **more}
    command = [sys.executable, "-m", "ftlab", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def toy(tmp_path: Path, llama: dict[str, Any]) -> Path:
    """A folder with a model of two layers that never learnt anything, and the embedded model's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from ftlab.model.load import embedded_path

    torch.manual_seed(1)
    place = tmp_path / "models" / "toy"
    sizes = {key: value for key, value in llama.items() if key not in ("torch_dtype", "architectures", "model_type")}
    LlamaForCausalLM(LlamaConfig(**sizes, bos_token_id=1, eos_token_id=5, pad_token_id=0)).save_pretrained(place)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(embedded_path() / file, place)
    return place


def test_folder_trains_from_the_command_line_and_is_found_from_another_folder(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftlab.config.compose import recompose
    from ftlab.stage.trained import find_trained

    rows = [{"instruction": f"What does code E{n} mean?", "output": f"Part {n * 7} is worn."} for n in range(10, 40)]
    (tmp_path / "codes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    choices = ["model=models/toy", "data=codes.jsonl", "method=lora", "evaluation=none", "logger=none"]
    done = run(tmp_path, *choices, "training.max_steps=2", "training.batch_rows=4", "trainer=cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "runs").glob("*/*")
    assert folder.name.endswith("-train-toy-lora")
    card = json.loads((folder / "run.json").read_text())
    assert (card["status"], card["config"]["model"]["path"]) == ("done", str(toy))
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    adapter = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == str(toy)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = recompose(find_trained(str(folder), []).overrides)
    assert (again.model.path, again.model.name) == (str(toy), "toy")
    assert (again.data.path, again.data.name) == (str(tmp_path / "codes.jsonl"), "codes")


def test_sweep_over_shipped_hub_and_folder_runs_in_processes_of_their_own(
    hub: Any, tmp_path: Path, llama: dict[str, Any]
) -> None:
    hub.repos["org/Llama-1"] = {"config.json": json.dumps(llama)}
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text(json.dumps(llama))
    online = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
    }
    words = ["model=tiny,org/Llama-1,./m", "task=plan", "hydra/launcher=gpu_pool", "hydra.launcher.cpu_slots=1"]
    done = run(tmp_path, "-m", *words, "hydra.sweep.dir=sweep", **online)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]
    assert [job["overrides"][0] for job in jobs] == ["model=tiny", "model=org/Llama-1", "model=./m"]
    assert {job["status"] for job in jobs} == {"done"}
    assert not [job for job in (tmp_path / "sweep").rglob("*Llama-1") if job.parent.name != "sweep"]
    downloads = [asked for asked in hub.asked if asked.startswith("GET") and asked.endswith("config.json")]
    assert len(downloads) == 1, "the jobs read the cache"


def test_command_line_says_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "model=org/name", "offline=true", "--cfg", "job")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[1].startswith("  model: must be in the local cache when the network is off, but")
    assert not list(tmp_path.glob("runs"))


def test_command_line_without_such_a_choice_imports_no_library_of_the_hub(tmp_path: Path) -> None:
    code = (
        "import atexit, sys, ftlab.app\n"
        "heavy = ('huggingface_hub', 'transformers', 'torch')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n"
        "ftlab.app.main()\n"
    )
    command = [sys.executable, "-c", code, "--cfg", "job"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "hydra_plugins" not in done.stderr
    assert done.stderr.splitlines()[-1:] == ["[]"], done.stderr


@pytest.mark.parametrize("line", ["model=org/nope training.ep", "model=./nope training.ep", "model=tiny training.ep"])
def test_completion_goes_on_whatever_the_choice_is(line: str, here: Any) -> None:
    with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
        plugin = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
        found = plugin._query("config", line)
        assert found == (["training.epochs="] if "tiny" in line else [])
        assert "model=tiny" in plugin._query("config", "model=")
    assert here.asked == []


@pytest.mark.parametrize("plugins", [(HubSearchPath, FtlabSearchPath), (FtlabSearchPath, HubSearchPath)])
def test_paths_are_asked_before_yaml_files_and_names_after(
    plugins: tuple[type, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    path.append("main", str(CONF_DIR))
    for plugin in plugins:
        plugin().manipulate_search_path(path)
    elements = [element.path for element in path.get_path()]
    assert elements == ["pkg://hydra.conf", PATHS, f"file://{tmp_path}/conf", str(CONF_DIR), NAMES]


@pytest.mark.parametrize("main", ["pkg://other.conf", "/somewhere/conf", "file:///somewhere/conf", None])
def test_other_applications_are_left_alone(main: str | None) -> None:
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    if main:
        path.append("main", main)
    before = list(path.get_path())
    HubSearchPath().manipulate_search_path(path)
    assert list(path.get_path()) == before


def test_namespace_package_has_no_init() -> None:
    assert not (Path(__file__).parents[1] / "hydra_plugins" / "__init__.py").exists()


def test_example_composes(tmp_path: Path, composed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[1] / "example"
    shutil.copytree(example, tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    (model,) = Path("models").iterdir()
    cfg = composed("experiment=our-codes")
    assert (cfg.model.path, cfg.model.name) == (str(model.absolute()), "house-llama")
    assert (cfg.data.path, cfg.data.name) == ("rows.jsonl", "rows")
