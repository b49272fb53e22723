"""What a run of a search tells it, and how the search ends the run."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize
from hydra.core.hydra_config import HydraConfig

from ftlab import metric
from ftlab.callbacks.loss import LossLog
from ftlab.callbacks.prune import Prune, Pruned
from ftlab.config.release import COMPOSING
from ftlab.logger.csv import FILE, read_metrics
from hydra_plugins.hydra_ftlab_optuna import trial
from hydra_plugins.hydra_ftlab_optuna._study import open_study
from tests.callbacks.watched import watch


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    """A search of which this process runs trial 1; trial 0 is done, and was better than any run here can be."""
    before = HydraConfig.instance().cfg
    words = ["hydra/sweeper=ftlab_optuna", f"hydra.sweep.dir={tmp_path}", "hydra.mode=MULTIRUN"]
    with initialize(config_path=None, **COMPOSING):
        cfg = compose(overrides=[*words, "+hydra.sweeper.pruner_options.n_startup_trials=1"], return_hydra_config=True)
    cfg.hydra.runtime.cwd, cfg.hydra.job.num = str(tmp_path), 1
    HydraConfig.instance().set_config(cfg)
    study = open_study(cfg.hydra)
    first = study.ask()
    first.report(1e9, 1)
    first.report(0.0, 2)
    study.tell(first, 0.0)
    study.ask()
    yield study
    HydraConfig.instance().cfg = before


def test_run_is_ended_after_the_evaluation_at_which_others_were_better(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(
        Pruned, match=r"Pruned after step 4: others did better by then than a held-out loss of \d"
    ) as caught:
        watch(tmp_path, [LossLog(), Prune(eval_every_steps=2)], steps=8)
    rows = read_metrics(tmp_path / FILE)
    held_out = {row[metric.STEP]: row[metric.VAL_LOSS] for row in rows if metric.VAL_LOSS in row}
    assert list(held_out) == [0, 2, 4], "the evaluation that ended it is recorded"
    told = study.trials[1].intermediate_values
    assert told == pytest.approx({1: held_out[2], 2: held_out[4]}, rel=1e-5)
    assert study.trials[1].user_attrs == {trial.PRUNED: 2}
    assert caught.value.step == 4
    assert caught.value.val_loss == pytest.approx(held_out[4], rel=1e-5)


def test_last_evaluation_ends_nothing(study: optuna.Study, tmp_path: Path) -> None:
    _, trainer, _ = watch(tmp_path, [Prune(eval_every_steps=2)], steps=4)
    assert trainer.global_step == 4
    assert list(study.trials[1].intermediate_values) == [1]


def test_run_outside_of_a_search_is_left_alone(tmp_path: Path) -> None:
    assert not trial.is_watched()
    _, trainer, _ = watch(tmp_path, [Prune(eval_every_steps=2)])
    assert trainer.global_step == 6
