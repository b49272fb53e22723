"""Tries the command line's overrides before Hydra starts a run: every fault at once, and no folder left behind.

In: overrides as typed. Out: problems, empty if the run may start. Hydra itself stops at the first fault, so after a
failed composition the overrides are tried one by one, choices of groups before values of keys. A model of the hub is
composed from its own config.json, which is downloaded here, once and nowhere else, unless the run is to be offline.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ftlab.config import explain, validate
from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from ftlab.problem import Problem, raise_all
from hydra_plugins.hydra_ftlab_hub import ChoiceError, NotCachedError, fetch, unread

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, ValueError)
"""What Hydra raises for overrides that don't compose."""


def check(
    overrides: Sequence[str], config_name: str = "config", folder: Path = CONF_DIR, *, multirun: bool = False
) -> list[Problem]:
    """Checks a command line: as one run, or as the jobs of a multirun.

    Args:
        overrides: As typed.
        config_name: The primary configuration.
        folder: Where it lies.
        multirun: Whether `-m` was typed; the configuration may ask for a multirun, too (`hydra.mode`, as the `ablation`
            group does).

    Returns:
        Every problem.
    """
    with _hydra(folder):
        try:
            hydra = _downloaded(lambda: _whole(config_name, overrides), config_name, overrides).hydra
        except COMPOSITION_ERRORS:
            hydra = None
    if not multirun and (hydra is None or hydra.mode != RunMode.MULTIRUN):
        return check_run(overrides, config_name, folder)
    params = {} if hydra is None else hydra.sweeper.get("params") or {}
    typed = [explain.key_of(text) for text in overrides]
    swept = [f"{key}={value}" for key, value in params.items() if key not in typed]
    return check_multirun([*swept, *overrides], config_name, folder)


def check_run(overrides: Sequence[str], config_name: str = "config", folder: Path = CONF_DIR) -> list[Problem]:
    """Composes one run and checks the configuration.

    Args:
        overrides: As typed, such as `method=lora`, `training.epochs=2`.
        config_name: The primary configuration.
        folder: Where it lies.

    Returns:
        Every problem of the overrides and of the configuration that they make.
    """
    with _hydra(folder):
        faults, cfg = _compose(list(overrides), config_name)
        if cfg is None:
            return faults
        groups = [problem.where for problem in faults]
        rest = [problem for problem in validate.check(cfg) if problem.where.partition(".")[0] not in groups]
        return faults + [problem for problem in rest if problem not in faults]


def check_multirun(overrides: Sequence[str], config_name: str = "config", folder: Path = CONF_DIR) -> list[Problem]:
    """Composes the jobs of a multirun, so that a mistyped choice is found before the first job has run for hours.

    What a job's configuration holds is checked when the job starts, and stops that job alone.

    Args:
        overrides: As typed; `method=lora,qlora` stands for two jobs.
        config_name: The primary configuration.
        folder: Where it lies.

    Returns:
        Every problem of the overrides.
    """
    found: dict[Problem, None] = {}
    with _hydra(folder):
        for job in _jobs(list(overrides)):
            found.update(dict.fromkeys(_compose(job, config_name)[0]))
    return list(found)


def recompose(overrides: Sequence[str], config_name: str = "config") -> DictConfig:
    """Composes another configuration than the command line's: that of an earlier run, with what was typed on top.

    Args:
        overrides: As typed, then and now.
        config_name: The primary configuration.

    Returns:
        The configuration, without Hydra's own node.

    Raises:
        InputError: It doesn't compose, or isn't sound.
    """
    with nullcontext() if GlobalHydra.instance().is_initialized() else _hydra(CONF_DIR):
        problems, cfg = _compose(list(overrides), config_name)
    raise_all(problems)
    assert cfg is not None, "what doesn't compose has its problems"
    raise_all(validate.check(cfg))
    return cfg


def fetch_choices(overrides: Sequence[str], config_name: str = "config", folder: Path = CONF_DIR) -> list[Problem]:
    """Downloads what composing needs, for flags with which Hydra composes by itself (`--cfg job`).

    Args:
        overrides: As typed.
        config_name: The primary configuration.
        folder: Where it lies.

    Returns:
        What is wrong with a choice of the hub or a folder; all else is left to Hydra.
    """
    if not any(explain.key_of(typed) == "model" and "/" in typed for typed in overrides):
        return []
    with _hydra(folder):
        try:
            _composed(config_name, overrides, overrides)
        except ChoiceError as error:
            return [explain.choice(error)]
        except COMPOSITION_ERRORS:
            return []
    return []


@contextmanager
def _hydra(folder: Path) -> Iterator[None]:
    with initialize_config_dir(config_dir=str(folder), **COMPOSING, job_name="ftlab"):
        yield


def _compose(overrides: list[str], config_name: str) -> tuple[list[Problem], DictConfig | None]:
    """Composes what can be composed of the overrides; problems name the others."""
    listed = [*explain.lists_of_choices(overrides), *explain.lone_revisions(overrides)]
    try:
        return listed, _composed(config_name, overrides, overrides)
    except COMPOSITION_ERRORS as error:
        whole = error
    good, bad = _sort_out(overrides, config_name)
    try:
        cfg = _composed(config_name, good, overrides)
    except COMPOSITION_ERRORS:
        return [*listed, explain.whole(whole)], None
    if not bad:
        return [*listed, explain.whole(whole)], None
    loader = GlobalHydra.instance().config_loader()
    return listed + [explain.override(typed, error, cfg, loader) for typed, error in bad.items()], cfg


def _composed(config_name: str, overrides: Sequence[str], typed: Sequence[str]) -> DictConfig:
    """Composes some of what was typed, and downloads before what it needs of the hub."""
    return _downloaded(lambda: compose(config_name, overrides=list(overrides)), config_name, typed)


def _whole(config_name: str, overrides: Sequence[str]) -> DictConfig:
    """Composes a multirun's own configuration, Hydra's node included; what is swept is passed over."""
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration(config_name, list(overrides), RunMode.MULTIRUN, validate_sweep_overrides=False)


def _downloaded(make: Callable[[], DictConfig], config_name: str, typed: Sequence[str]) -> DictConfig:
    """Makes a configuration; what it needs of the hub and isn't there is downloaded before."""
    try:
        return make()
    except NotCachedError as missing:
        fetch(missing, offline=_is_offline(config_name, typed))
    return make()


def _is_offline(config_name: str, typed: Sequence[str]) -> bool:
    """Whether a configuration says offline, be it typed or in a file; known without reading the hub's choices."""
    try:
        with unread():
            return _whole(config_name, typed).offline is True
    except COMPOSITION_ERRORS:  # something else is wrong, too: then what was typed decides
        return any(explain.key_of(word) == "offline" and word.lower().endswith("=true") for word in typed)


def _sort_out(overrides: list[str], config_name: str) -> tuple[list[str], dict[str, Exception]]:
    """Separates the overrides that compose from those that don't; keys of a group without a choice are passed over."""
    good: list[str] = []
    bad: dict[str, Exception] = {}
    for typed in sorted(overrides, key=lambda text: "." in explain.key_of(text)):
        if explain.key_of(typed).partition(".")[0] in [explain.key_of(other) for other in bad]:
            continue
        try:
            _composed(config_name, [*good, typed], overrides)
            good.append(typed)
        except COMPOSITION_ERRORS as error:
            bad[typed] = error
    return good, bad


def _jobs(overrides: list[str]) -> Iterator[list[str]]:
    """Yields jobs that together hold every swept value: the first of each, then every other one in turn."""
    swept = [_values(typed) for typed in overrides]
    first = [values[0] for values in swept]
    yield first
    for place, values in enumerate(swept):
        for value in values[1:]:
            yield [*first[:place], value, *first[place + 1 :]]


def _values(typed: str) -> list[str]:
    """Takes `method=lora,qlora` apart, an interval into its ends; what can't be read or isn't a sweep stays."""
    try:
        (parsed,) = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides([typed])
    except OverrideParseException:
        return [typed]
    interval = parsed.value()
    if isinstance(interval, IntervalSweep):  # for a search
        return [f"{parsed.get_key_element()}={end}" for end in (interval.start, interval.end)]
    if not parsed.is_sweep_override() or not parsed.is_discrete_sweep():
        return [typed]
    return [f"{parsed.get_key_element()}={value}" for value in parsed.sweep_string_iterator()]
