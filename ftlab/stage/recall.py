"""Composes a run's configuration again, with what is typed now on top.

In: what was trained, and what was typed. Out: a configuration, and what has changed since the run. What the run was
started with means what it meant then: also where a choice has other values today, and where this command is typed in
another folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.config.compose import recompose
from ftlab.config.explain import key_of
from ftlab.problem import InputError, Problem, raise_all
from ftlab.stage.place import FREE_TO_CHANGE, flat
from ftlab.stage.trained import Trained

_NOT_THE_RUNS = ("task", "resume", "output_dir", "run")
"""What a run was started with that says nothing of this command."""
_NOTHING = ("evaluation=none", "evaluation=curve")
"""And choices by which nothing of a model would be measured."""
_FIXED = ("method", "optimizer", "scheduler")
"""What made the result, and can't be chosen any more."""
_PATHS = ("path", "validation_path", "test_path", "schema", "chat_template", "probe", "task_folder")
"""Last parts of the keys that name files."""
_WORDS = ("", "auto", "default")
"""What stands there and is no file."""


def recall(trained: Trained, typed: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """Composes the configuration of what was trained.

    Args:
        trained: What was trained.
        typed: The overrides of this command. A choice that isn't the run's takes what the run had set inside of that
            group along.

    Returns:
        The configuration, and what has changed, one sentence each. Where a configuration file says something else
        today than when the run began, the run's value is kept.

    Raises:
        InputError: It doesn't compose, or what was typed would be another run.
    """
    raise_all(_fixed(typed))
    own = [word for word in trained.overrides if key_of(word) not in _NOT_THE_RUNS and word not in _NOTHING]
    keys = [key_of(word) for word in typed]
    chosen = [key_of(word) for word in typed if word not in trained.overrides]
    kept = [word for word in own if key_of(word) not in keys and not _is_in(key_of(word), chosen)]
    cfg = _composed(trained, [*kept, *typed])
    if not trained.card:
        return cfg, []
    alone = _composed(trained, own)
    alone.output_dir = cfg.output_dir  # Hydra's to fill in, which knows this command's folder only
    today, now = _plain(alone), _plain(cfg)
    notes = []
    for key, value in now.items():
        if key not in today or today[key] != value or key in keys or _is_in(key, chosen):
            continue  # typed now
        then = value if _is_in(key, FREE_TO_CHANGE) else flat(trained.card["config"]).get(key, value)
        if then != value:
            notes.append(f"{key} is {value!r} in today's configuration and {then!r} in the run's, which is used.")
        if (found := rooted(then, trained.started_in, key.rpartition(".")[2])) != value:
            OmegaConf.update(cfg, key, found)
    return cfg, notes


def rooted(value: Any, folder: Path | None, name: str = "path") -> Any:
    """Returns relative paths in plain data as they are found from here.

    Args:
        value: Of a setting.
        folder: Where relative paths were meant to begin; None where that isn't known.
        name: The last part of the setting's key, which tells whether it is a path.

    Returns:
        The same; where something lies there, absolute.
    """
    if folder is None or folder == Path.cwd():
        return value
    if isinstance(value, Mapping):
        return {key: rooted(inner, folder, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [rooted(inner, folder, name) for inner in value]
    if name not in _PATHS or not isinstance(value, str) or value in _WORDS or Path(value).expanduser().is_absolute():
        return value
    return str(folder / value) if any(folder.glob(value)) else value


def _is_in(key: str, groups: Sequence[str]) -> bool:
    """Whether a key is one of these, or is inside of one."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def _composed(trained: Trained, overrides: Sequence[str]) -> DictConfig:
    """Composes, and says of what the run was started with that it isn't the command line's."""
    try:
        return recompose(overrides, trained.config_name)
    except InputError as error:
        own = {key_of(word) for word in trained.overrides}
        fix = f"The run in '{trained.folder}' was started with it, by another version of ftlab or of your conf folder."
        raise InputError(
            [replace(one, fix=f"{one.fix} {fix}".strip()) if one.where in own else one for one in error.problems]
        ) from error


def _fixed(typed: Sequence[str]) -> Iterator[Problem]:
    for word in typed:
        key = key_of(word)
        if key.partition(".")[0] in _FIXED:
            yield Problem(key, "can't be given where something trained is opened: it was chosen then.", "Leave it out.")


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return flat(OmegaConf.to_container(cfg, resolve=True))
