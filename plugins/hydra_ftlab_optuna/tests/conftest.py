"""Searches for the tests: in this process where that is enough."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import optuna
import pytest
from hydra import compose, initialize
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import OmegaConf

from hydra_plugins.hydra_ftlab_optuna._study import _storage

BASE: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}  # 1.4 deprecates it
APPS = Path(__file__).parent / "apps"


class Search:
    """A search with the basic launcher, without an application around it.

    Args:
        folder: The sweep's.
        options: Overrides of Hydra's own options.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options

    def run(self, *words: str, kind: str = "good", x: str = "+x=interval(0.0,1.0)") -> None:
        """Searches for x."""
        from app import task  # type: ignore[import-not-found]

        quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.mode=MULTIRUN"]
        words = (*self._options, *words)
        options = [word for word in words if word.lstrip("+").startswith("hydra")]
        overrides = [f"hydra.sweep.dir={self.folder}", "hydra/sweeper=ftlab_optuna", *quiet, *options]
        cfg = compose(overrides=overrides, return_hydra_config=True)
        context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
        sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=task, config=cfg)
        sweeper.sweep([x, f"+kind={kind}", *(word for word in words if word not in options)])

    def study(self, storage: str | None = None) -> optuna.Study:
        return optuna.load_study(study_name="search", storage=_storage(storage, self.folder, self.folder))

    @property
    def results(self) -> Any:
        return OmegaConf.load(self.folder / "optimization_results.yaml")

    def ended_early(self) -> list[int]:
        return sorted(int(file.parent.name) for file in self.folder.glob("*/ended_early"))


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Search]]:
    monkeypatch.syspath_prepend(str(APPS))
    before = HydraConfig.instance().cfg
    with initialize(config_path=None, **BASE):
        yield lambda *options, folder="sweep": Search(tmp_path / folder, *options)
    HydraConfig.instance().cfg = before
