"""The sweeper as Hydra sees it: thin, as every application imports it. `sweep` imports what does the work."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.hydra_ftlab_optuna.config import OptunaSweeperConf


class OptunaSweeper(Sweeper):
    """Lets Optuna choose the jobs, batch by batch.

    Args:
        options: The fields of `OptunaSweeperConf`.

    Attributes:
        options: The same, as one object.
        launcher: What runs the jobs.
    """

    def __init__(self, **options: Any) -> None:
        self.options = OptunaSweeperConf(**options)
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what a job needs, as Hydra gives it, and makes the launcher."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Searches until `n_trials` trials have ended.

        Args:
            arguments: The overrides that were typed.

        Raises:
            OptionError: An option can't be met; nothing was started.
            Exception: Too many trials failed: the first one's error.
        """
        from hydra_plugins.hydra_ftlab_optuna import _search

        _search.search(self, arguments)
