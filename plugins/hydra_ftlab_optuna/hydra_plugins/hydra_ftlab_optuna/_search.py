"""A search: asks Optuna for trials, launches them in batches, tells it what came of them, and says which was best."""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hydra_plugins.hydra_ftlab_optuna._failure import OptionError
from hydra_plugins.hydra_ftlab_optuna.config import OptunaSweeperConf

try:
    import optuna
    from optuna.distributions import distribution_to_json
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise OptionError("`hydra/sweeper=optuna` needs Optuna: pip install 'ftlab[optuna]', or optuna itself.") from error

from hydra_plugins.hydra_ftlab_optuna._space import Space, read_space
from hydra_plugins.hydra_ftlab_optuna._study import make, open_study
from hydra_plugins.hydra_ftlab_optuna.trial import PRUNED

if TYPE_CHECKING:
    from hydra_plugins.hydra_ftlab_optuna.optuna_sweeper import OptunaSweeper

RESULTS = "optimization_results.yaml"
_FIXED = "fixed"
_SEARCHED = "searched"
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

log = logging.getLogger("hydra_plugins.hydra_ftlab_optuna")


def search(sweeper: "OptunaSweeper", arguments: Sequence[str]) -> None:
    """Searches; see `OptunaSweeper.sweep`."""
    assert sweeper.config is not None
    assert sweeper.launcher is not None
    hydra, options = sweeper.config.hydra, sweeper.options
    _check(options)
    space = read_space(OmegaConf.to_container(OmegaConf.create(options.params), resolve=True), arguments)  # type: ignore[arg-type]
    _compose_ends(sweeper, space)
    Path(hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
    study = open_study(hydra)
    study.sampler = _sampler(options, began=len(study.get_trials(deepcopy=False)))
    _check_same(study, space)
    ended = sum(trial.state in _ENDED for trial in study.trials)
    goes_on = f", {ended} of them before" if ended else ""
    log.info(f"{options.n_trials} trials{goes_on}; {', '.join(space.searched)} by {type(study.sampler).__name__}")
    while batch := _next(study, space, options):
        overrides = [space.overrides(trial.params) for trial in batch]
        results = sweeper.launcher.launch(overrides, initial_job_idx=batch[0].number)  # a job's number is its trial's
        errors = [error for trial, result in zip(batch, results, strict=True) for error in _tell(study, trial, result)]
        for trial in batch:
            log.info(_outcome(study, trial.number))
        _judge(study, options, errors)
    _conclude(study, space, Path(hydra.sweep.dir))


def _check(options: OptunaSweeperConf) -> None:
    """Refuses options that make no sense, all at once."""
    wrong = [
        f"`hydra.sweeper.{name}` must be at least 1, but is {getattr(options, name)}."
        for name in ("n_trials", "n_jobs")
        if getattr(options, name) < 1
    ]
    if options.direction not in ("minimize", "maximize"):
        wrong.append(f"`hydra.sweeper.direction` must be minimize or maximize, but is {options.direction!r}.")
    if not 0 <= options.max_failure_rate <= 1:
        wrong.append(f"`hydra.sweeper.max_failure_rate` must be from 0 to 1, but is {options.max_failure_rate}.")
    if wrong:
        raise OptionError("\n".join(wrong))


def _compose_ends(sweeper: "OptunaSweeper", space: Space) -> None:
    """Composes a job from both ends of each parameter, so that a mistyped key is told before the first job."""
    assert sweeper.hydra_context is not None
    assert sweeper.config is not None
    for overrides in space.ends():
        try:
            sweeper.hydra_context.config_loader.load_sweep_config(sweeper.config, overrides)
        except Exception as error:  # Hydra's, OmegaConf's, a resolver's
            text = " ".join(str(error).split())
            raise OptionError(f"`hydra.sweeper.params` gives jobs that don't compose: {text}") from error


def _sampler(options: OptunaSweeperConf, began: int) -> Any:
    """Makes the sampler. A search that goes on must not begin with the same random numbers again."""
    given = dict(options.sampler_options or {})
    if options.seed is not None:
        given["seed"] = options.seed + began
    return make("sampler", options.sampler, given)


def _check_same(study: optuna.Study, space: Space) -> None:
    """Refuses to go on with a search whose jobs are others: their values can't be compared.

    Raises:
        OptionError: What is the same for all jobs has changed, or what is searched.
    """
    searched = {name: distribution_to_json(values) for name, values in space.searched.items()}
    before = study.user_attrs.get(_FIXED)
    if before is None:
        study.set_user_attr(_FIXED, list(space.fixed))
        study.set_user_attr(_SEARCHED, searched)
        return
    if sorted(before) != sorted(space.fixed):
        raise OptionError(
            f"The search was begun with {' '.join(before) or 'no overrides'}, but now there are "
            f"{' '.join(space.fixed) or 'none'}. Give the same, or begin another one in a new hydra.sweep.dir."
        )
    begun = study.user_attrs[_SEARCHED]
    changed = sorted(name for name in {*begun, *searched} if begun.get(name) != searched.get(name))
    if changed:
        raise OptionError(
            f"The search was begun with other values of {', '.join(changed)}. "
            "Give the same, or begin another one in a new hydra.sweep.dir."
        )


def _next(study: optuna.Study, space: Space, options: OptunaSweeperConf) -> list[FrozenTrial | optuna.Trial]:
    """Takes the next trials, whose numbers follow one another: first those that were begun and never ended."""
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        if trial.params.keys() != space.searched.keys():  # ended while its values were being drawn
            study.tell(trial.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    begun = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if begun:
        followers = [trial for place, trial in enumerate(begun) if trial.number == begun[0].number + place]
        return list(followers[: options.n_jobs])
    left = options.n_trials - len(trials)
    return [study.ask(space.searched) for _ in range(min(left, options.n_jobs))]


def _tell(study: optuna.Study, trial: FrozenTrial | optuna.Trial, result: JobReturn) -> Iterator[Exception]:
    """Tells Optuna what came of a trial; yields the error of one that failed."""
    value = result._return_value
    if result.status != JobStatus.COMPLETED:
        study.tell(trial.number, state=TrialState.FAIL)
        yield value
    elif study.trials[trial.number].user_attrs.get(PRUNED) is not None:
        study.tell(trial.number, state=TrialState.PRUNED)
    elif not isinstance(value, int | float) or math.isnan(value):
        study.tell(trial.number, state=TrialState.FAIL)
        yield OptionError(f"A job must return a number to be searched for, but job {trial.number} returned {value!r}.")
    else:
        study.tell(trial.number, float(value))


def _outcome(study: optuna.Study, number: int) -> str:
    """Says in a line what came of a trial."""
    trial = study.trials[number]
    if trial.state == TrialState.FAIL:
        return f"Trial {number}: failed"
    if trial.state == TrialState.PRUNED:
        step = trial.user_attrs[PRUNED]
        return f"Trial {number}: pruned at {step} with {trial.intermediate_values[step]:.6g}"
    is_best = study.best_trial.number == number
    return f"Trial {number}: {trial.value:.6g}{', the best so far' if is_best else ''}"


def _judge(study: optuna.Study, options: OptunaSweeperConf, errors: Sequence[Exception]) -> None:
    """Ends the search where too many trials have failed.

    Raises:
        Exception: The first error of the batch.
    """
    failed = sum(trial.state == TrialState.FAIL for trial in study.get_trials(deepcopy=False))
    for error in errors:
        log.warning(f"A trial failed: {' '.join(str(error).split())[:200]}")
    if errors and failed > options.max_failure_rate * options.n_trials:
        log.error(
            f"{failed} trials have failed, more than hydra.sweeper.max_failure_rate={options.max_failure_rate} of "
            f"{options.n_trials} allows: the search ends."
        )
        raise errors[0]


def _conclude(study: optuna.Study, space: Space, folder: Path) -> None:
    """Says what came out, and leaves it in a file."""
    states = Counter(trial.state for trial in study.trials)
    words = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    log.info(", ".join(f"{states[state]} {word}" for state, word in words.items() if states[state]))
    if not states[TrialState.COMPLETE]:
        return
    best = study.best_trial
    overrides = space.overrides(best.params)[: len(best.params)]
    results = {"name": "optuna", "best_trial": best.number, "best_params": best.params, "best_value": best.value}
    results["best_overrides"] = overrides
    OmegaConf.save(OmegaConf.create(results), folder / RESULTS)
    log.info(f"Best: #{best.number} with {best.value:.6g}: {' '.join(overrides)}")
