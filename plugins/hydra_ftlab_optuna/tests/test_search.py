"""Whole searches: what they try, what they end early, how they go on, and what they refuse."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from optuna.trial import TrialState

from hydra_plugins.hydra_ftlab_optuna import OptionError
from hydra_plugins.hydra_ftlab_optuna._study import _storage

APP = Path(__file__).parent / "apps" / "app.py"
PRUNES = ("hydra.sweeper.n_trials=6", "+hydra.sweeper.pruner_options.n_startup_trials=2")

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hydra_plugins.hydra_ftlab_optuna")


def states(study: optuna.Study) -> list[TrialState]:
    return [trial.state for trial in study.trials]


def test_sweeper_is_discovered() -> None:
    assert "OptunaSweeper" in [plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)]


def test_namespace_package_has_no_init() -> None:
    assert not (Path(__file__).parents[1] / "hydra_plugins" / "__init__.py").exists()


def test_hopeless_trials_end_early_and_the_best_is_told(search: Start, caplog: pytest.LogCaptureFixture) -> None:
    found = search(*PRUNES)
    found.run()
    trials = found.study().trials
    pruned = [trial.number for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned == found.ended_early() != []
    whole = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(whole) + len(pruned) == len(trials) == 6
    assert all(len(trial.intermediate_values) == 4 for trial in whole)
    best = min(whole, key=lambda trial: trial.value or 0.0)
    assert abs(best.params["+x"] - 0.5) == min(abs(trial.params["+x"] - 0.5) for trial in whole)
    assert found.results.best_trial == best.number
    assert found.results.best_value == pytest.approx(best.value)
    assert f"Trial {pruned[0]}: pruned at " in caplog.text
    assert f"{len(whole)} done, {len(pruned)} pruned" in caplog.text
    assert f"Best: #{best.number} with {best.value:.6g}: {found.results.best_overrides[0]}" in caplog.text

    found.run()
    assert "6 trials, 6 of them before" in caplog.text
    assert found.study().trials == trials, "what has ended isn't run again"

    again = search(*PRUNES, folder="again")
    again.run()
    assert [trial.params for trial in again.study().trials] == [trial.params for trial in trials], "the seed decides"


def test_processes_of_their_own_reach_the_search_and_are_ended_by_it(tmp_path: Path) -> None:
    words = ["hydra/sweeper=ftlab_optuna", "hydra.sweep.dir=sweep", "+x=interval(0.0,1.0)", "+kind=good", *PRUNES]
    words += ["hydra/launcher=gpu_pool", "hydra.launcher.devices=[]", "hydra.launcher.cpu_slots=2"]
    command = [sys.executable, str(APP), "-m", *words, "hydra.sweeper.n_jobs=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = tmp_path / "sweep"
    trials = optuna.load_study(study_name="search", storage=_storage(None, sweep, tmp_path)).trials
    ended_early = sorted(int(file.parent.name) for file in sweep.glob("*/ended_early"))
    assert [trial.number for trial in trials if trial.state == TrialState.PRUNED] == ended_early != []
    jobs = json.loads((sweep / "sweep.json").read_text())["jobs"]
    assert [job["num"] for job in jobs] == [trial.number for trial in trials] == list(range(6))
    assert {job["slot"] for job in jobs} == {"CPU 0", "CPU 1"}
    assert all(job["status"] == "done" for job in jobs), "a pruned job is no failed one"


def test_interrupted_search_goes_on_with_the_same_trial_and_not_with_other_jobs(search: Start) -> None:
    found = search("hydra.sweeper.n_trials=3", "hydra.sweeper.pruner=null")
    with pytest.raises(KeyboardInterrupt):
        found.run(kind="interrupts")
    begun = found.study()
    assert states(begun) == [TrialState.COMPLETE, TrialState.RUNNING]

    with pytest.raises(
        OptionError, match=r"The search was begun with \+kind=interrupts, but now there are \+kind=good"
    ):
        found.run(kind="good")
    assert states(found.study()) == states(begun)

    found.run(kind="interrupts")
    ended = found.study()
    assert states(ended) == [TrialState.COMPLETE] * 3
    assert ended.trials[1].params == begun.trials[1].params
    assert len({trial.params["+x"] for trial in ended.trials}) == 3, "it doesn't draw its first numbers again"


def test_search_does_not_go_on_with_other_values(search: Start) -> None:
    found = search("hydra.sweeper.n_trials=2", "hydra.sweeper.pruner=null")
    found.run(x="+x=0.1,0.2")
    with pytest.raises(OptionError, match=r"The search was begun with other values of \+x"):
        found.run("hydra.sweeper.n_trials=4", x="+x=0.1,0.9")
    assert states(found.study()) == [TrialState.COMPLETE] * 2, "nothing was begun"


def test_trial_that_ended_while_its_values_were_drawn_is_no_job(search: Start) -> None:
    found = search("hydra.sweeper.pruner=null")
    found.run("hydra.sweeper.n_trials=1")
    found.study().ask()  # begun, and never given a value
    found.run("hydra.sweeper.n_trials=3")
    assert states(found.study()) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert found.results.best_overrides


def test_some_trials_may_fail_and_too_many_end_the_search(search: Start, caplog: pytest.LogCaptureFixture) -> None:
    search("hydra.sweeper.n_trials=4", "hydra.sweeper.max_failure_rate=0.5").run(kind="fails")
    assert "2 done, 2 failed" in caplog.text
    assert "A trial failed: trial 1 broke" in caplog.text

    strict = search("hydra.sweeper.n_trials=4", folder="strict")
    with pytest.raises(ValueError, match="trial 1 broke"):
        strict.run(kind="fails")
    assert "1 trials have failed, more than hydra.sweeper.max_failure_rate=0.2 of 4 allows" in caplog.text
    assert states(strict.study()) == [TrialState.COMPLETE, TrialState.FAIL]


def test_job_must_return_a_number(search: Start) -> None:
    with pytest.raises(OptionError, match=r"must return a number to be searched for, but job 0 returned None\."):
        search("hydra.sweeper.n_trials=1").run(kind="none")


def test_database_holds_the_search(search: Start, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/search.db"
    found = search(f"hydra.sweeper.storage='{storage}'", *PRUNES)
    found.run()
    pruned = [trial.number for trial in found.study(storage).trials if trial.state == TrialState.PRUNED]
    assert pruned == found.ended_early() != []
    assert not list(found.folder.glob("*.journal"))


def test_search_that_cannot_be_reached_ends_no_job(
    search: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(optuna.trial.Trial, "report", full)
    found = search("hydra.sweeper.n_trials=2")
    found.run()
    assert states(found.study()) == [TrialState.COMPLETE] * 2
    assert "The search can't be told of step 0: OSError: No space left on device" in caplog.text


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("hydra.sweeper.n_trials=0", r"`hydra\.sweeper\.n_trials` must be at least 1, but is 0"),
        ("hydra.sweeper.direction=down", "must be minimize or maximize, but is 'down'"),
        ("hydra.sweeper.max_failure_rate=2", "must be from 0 to 1, but is 2"),
        ("hydra.sweeper.sampler=Best", "must be one of Optuna's, but is 'Best'. There are .*TPESampler"),
        ("+hydra.sweeper.pruner_options.steps=1", "is refused by MedianPruner"),
        ("y=1", "gives jobs that don't compose: Could not override 'y'"),
    ],
)
def test_mistake_is_told_before_anything_starts(option: str, told: str, search: Start) -> None:
    found = search(option)
    with pytest.raises(OptionError, match=told):
        found.run()
    assert not list(found.folder.glob("[0-9]*"))


def test_missing_optuna_is_told_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('not here')")
    command = [sys.executable, str(APP), "-m", "hydra/sweeper=ftlab_optuna"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'ftlab[optuna]'" in done.stderr


def test_other_applications_import_no_optuna(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import sys, hydra\n"
        "from hydra_plugins.hydra_ftlab_optuna.trial import report\n"
        "@hydra.main(version_base='1.3', config_path=None)\n"
        "def main(cfg): print(report(1.0, 1), 'optuna' in sys.modules)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "app.py", "hydra.run.dir=."], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
