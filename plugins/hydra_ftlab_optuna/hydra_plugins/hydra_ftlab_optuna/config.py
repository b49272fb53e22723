"""The options of `hydra/sweeper=optuna`."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore

TARGET = "hydra_plugins.hydra_ftlab_optuna.optuna_sweeper.OptunaSweeper"


@dataclass
class OptunaSweeperConf:
    """What `hydra.sweeper.*` may hold."""

    _target_: str = TARGET

    # What is searched: key or group -> what it may be, in the words of Hydra's override grammar, such as
    # optimizer.lr: tag(log, interval(1e-5, 1e-3)) and method.r: choice(8, 16, 32). What is typed for a key wins.
    params: dict[str, Any] = field(default_factory=dict)

    # Trials in all: those of earlier starts of the same search count.
    n_trials: int = 20

    # Trials that are launched together: with several slots at least as many. Trials of one batch know nothing of each
    # other when they are chosen.
    n_jobs: int = 1

    # Whether what a job returns is to be small or large: minimize | maximize.
    direction: str = "minimize"

    # How trials are chosen: a class of optuna.samplers, with its arguments; null = none of them.
    sampler: str = "TPESampler"
    sampler_options: dict[str, Any] | None = field(default_factory=dict)

    # Makes the choice repeatable, given to the sampler.
    seed: int | None = 1

    # Which trials end early: a class of optuna.pruners, with its arguments; null = none. A trial's steps are those that
    # its job tells (hydra_plugins.hydra_ftlab_optuna.trial.report).
    pruner: str | None = "MedianPruner"
    pruner_options: dict[str, Any] | None = field(default_factory=dict)

    # Where the search is kept: null = study.journal in hydra.sweep.dir; a file (Optuna's journal, which any number of
    # processes and machines may share); or a database's URL, such as sqlite:////home/me/search.db.
    storage: str | None = None

    # The search's name in the storage.
    study_name: str = "search"

    # More failed trials than this share of n_trials end the search.
    max_failure_rate: float = 0.2


_STORE = ConfigStore.instance()
_STORE.store(group="hydra/sweeper", name="ftlab_optuna", node=OptunaSweeperConf, provider="ftlab_optuna")
if (
    find_spec("hydra_plugins.hydra_optuna_sweeper") is None
):  # else the short name is that plugin's, for other applications
    _STORE.store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="ftlab_optuna")
