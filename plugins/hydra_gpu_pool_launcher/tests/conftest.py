"""Sweeps for the tests: in this process where that is enough, as applications of their own where it isn't."""

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext

APPS = Path(__file__).parent / "apps"
BASE: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}  # 1.4 deprecates it
PYTHONPATH = f"{APPS}{os.pathsep}{APPS / 'without'}"
"""Applications of their own must do without cloudpickle: what stands here in its place can't be imported."""


@pytest.fixture(autouse=True)
def _light_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares each job the import of pytest, which is `__main__` here."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


class Sweeper:
    """Launches batches of jobs, as a sweeper does, without an application around it.

    Args:
        folder: The sweep's.
        options: Overrides of the launcher's options, and others.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        import tasks

        self.folder = folder
        overrides = [f"hydra.sweep.dir={folder}", "hydra/launcher=gpu_pool", *options, "hydra.mode=MULTIRUN"]
        cfg = compose("config", overrides=overrides, return_hydra_config=True)
        context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
        self._launcher = Plugins.instance().instantiate_launcher(context, tasks.task, cfg)

    def launch(self, *jobs: str, first: int = 0) -> list[JobReturn]:
        return list(self._launcher.launch([job.split() for job in jobs], initial_job_idx=first))

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "sweep.json").read_text())

    def job(self, override: str) -> dict[str, Any]:
        (found,) = [entry for entry in self.record["jobs"] if override in entry["overrides"]]
        return found

    def nums(self) -> dict[str, int]:
        return {" ".join(entry["overrides"]): entry["num"] for entry in self.record["jobs"]}


@pytest.fixture
def sweeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sweeper]]:
    monkeypatch.syspath_prepend(str(APPS))
    monkeypatch.setattr(sys, "argv", ["app.py"])
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("kind: good\nx: 1.5\nresume: never\nother: 1\n")
    before = HydraConfig.instance().cfg
    with initialize_config_dir(str(tmp_path / "conf"), **BASE):
        yield lambda *options: Sweeper(tmp_path / "sweep", *options)
    HydraConfig.instance().cfg = before


class App:
    """An application of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = folder / "sweep"

    def start(
        self, *words: str, program: tuple[str, ...] = (str(APPS / "app.py"),), **more: str
    ) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, **more}
        return subprocess.Popen(
            self.command(*words, program=program),
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def command(self, *words: str, program: tuple[str, ...] = (str(APPS / "app.py"),)) -> list[str]:
        return [sys.executable, *program, "-m", "hydra/launcher=gpu_pool", "hydra.sweep.dir=sweep", *words]

    def run(self, *words: str, program: tuple[str, ...] = (str(APPS / "app.py"),), **more: str) -> tuple[int, str]:
        with self.start(*words, program=program, **more) as process:
            output, _ = process.communicate(timeout=120)
        return process.returncode, output

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.sweep / "sweep.json").read_text())

    def seen(self, num: int) -> list[str]:
        return (self.sweep / str(num) / "seen").read_text().splitlines()


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)
