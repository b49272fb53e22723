"""What a job of a search calls: it tells how it does, and learns whether to go on.

    from hydra_plugins.hydra_ftlab_optuna.trial import report

    for epoch in range(epochs):
        loss = train_and_evaluate()
        if report(loss, step=epoch):
            break  # no better than others were by then
    return loss

Outside of a search it does nothing. Nothing heavy is imported before that.
"""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hydra_plugins.hydra_ftlab_optuna.config import TARGET

if TYPE_CHECKING:
    from optuna.trial import Trial

PRUNED = "pruned_at"
"""The trial's attribute that holds the step at which its job was told to end."""

log = logging.getLogger(__name__)


def is_watched() -> bool:
    """Returns whether this process runs the job of a search."""
    return _hydra() is not None


def report(value: float, step: int) -> bool:
    """Tells the search what the job has reached.

    A search that can't be reached must not end a job: that is told in the log, and the job goes on.

    Args:
        value: What is searched for, as it is now.
        step: How far the job is; the same number must mean the same in all jobs. A step that was told before, by a job
            that begins again, is not told twice.

    Returns:
        Whether the job should end now, and return what it has: the trial then counts as pruned.
    """
    hydra = _hydra()
    if hydra is None:
        return False
    try:
        trial = _open(_Key(hydra))
        if step not in trial.study.trials[trial.number].intermediate_values:
            trial.report(value, step)
        is_hopeless = bool(trial.should_prune())
        if is_hopeless:
            trial.set_user_attr(PRUNED, step)
    except Exception as error:  # whatever the storage's driver raises
        log.warning("The search can't be told of step %d: %s: %s", step, type(error).__name__, error)
        return False
    return is_hopeless


class _Key:
    """Hydra's configuration, as a key by what tells two trials apart."""

    def __init__(self, hydra: DictConfig) -> None:
        self.hydra = hydra
        self.number = hydra.job.num
        self._parts = (hydra.sweep.dir, hydra.sweeper.storage, hydra.sweeper.study_name, self.number)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._parts == other._parts


@lru_cache(maxsize=1)
def _open(key: _Key) -> "Trial":
    from optuna.trial import Trial

    from hydra_plugins.hydra_ftlab_optuna._study import open_study

    study = open_study(key.hydra)
    return Trial(study, study.trials[key.number]._trial_id)


def _hydra() -> DictConfig | None:
    """Returns Hydra's configuration if this is the job of a search: its number is the trial's.

    Hydra carries its configuration, and the number in it, through every launcher.
    """
    whole: Any = HydraConfig.instance().cfg
    if whole is None:
        return None
    hydra: DictConfig = whole.hydra
    is_job = hydra.mode == RunMode.MULTIRUN and "num" in hydra.job
    return hydra if is_job and hydra.sweeper.get("_target_") == TARGET else None
