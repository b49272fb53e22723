"""Where a search is kept, opened alike by the sweeper and by its jobs."""

from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from hydra_plugins.hydra_ftlab_optuna._failure import OptionError

FILE = "study.journal"


def open_study(hydra: DictConfig, *, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    """Opens a search, or begins it.

    Args:
        hydra: Hydra's own configuration: the sweep's folder and `sweeper`, as in `OptunaSweeperConf`.
        sampler: What chooses trials; jobs need none.

    Returns:
        The study, with the pruner of the configuration.

    Raises:
        OptionError: The pruner doesn't exist or refuses its options.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = hydra.sweeper
    return optuna.create_study(
        storage=_storage(options.storage, Path(hydra.runtime.cwd) / hydra.sweep.dir, Path(hydra.runtime.cwd)),
        study_name=options.study_name,
        direction=options.direction,
        sampler=sampler,
        pruner=make("pruner", options.pruner, options.pruner_options) if options.pruner else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )


def make(kind: str, name: str, options: Any) -> Any:
    """Makes a sampler or a pruner.

    Args:
        kind: `sampler` or `pruner`.
        name: Of the class.
        options: Its arguments.

    Raises:
        OptionError: There is no such class, or it refuses its options.
    """
    home = getattr(optuna, f"{kind}s")
    if name not in home.__all__ or name.startswith("Base"):
        known = ", ".join(sorted(each for each in home.__all__ if each.endswith(kind.title()) and each[:4] != "Base"))
        raise OptionError(f"`hydra.sweeper.{kind}` must be one of Optuna's, but is {name!r}. There are {known}.")
    plain: Any = OmegaConf.to_container(options, resolve=True) if OmegaConf.is_config(options) else dict(options or {})
    try:
        return getattr(home, name)(**plain)
    except (TypeError, ValueError) as error:
        raise OptionError(f"`hydra.sweeper.{kind}_options` is refused by {name}: {error}") from error


def _storage(given: str | None, sweep: Path, started_in: Path) -> BaseStorage | str:
    if given is not None and "://" in given:
        return given
    file = sweep / FILE if given is None else started_in / given
    file.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(file)))
