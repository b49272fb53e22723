"""Says in a sentence what is wrong with an override that Hydra refused, and what was probably meant."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig

from ftlab.config import validate
from ftlab.config.resolver import GROUPS
from ftlab.problem import Problem
from hydra_plugins.hydra_ftlab_hub import ChoiceError, is_path

_SEVERAL = ("callbacks", "logger")
"""Groups that take more than one choice."""

_EXTRAS = {"ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}
"""Launchers of other packages, and the extra that brings them."""

_ELSEWHERE = {
    "model": " Or org/name of the hub, or ./folder.",
    "data": " Or a file (rows.jsonl), ./folder, or org/name of the hub.",
}
"""What groups take besides their choices."""


def key_of(typed: str) -> str:
    """Returns the key of an override: `+training.epochs=3` → `training.epochs`."""
    return typed.lstrip("+~").partition("=")[0]


def override(typed: str, error: Exception, cfg: DictConfig, loader: ConfigLoader) -> Problem:
    """Explains why an override doesn't compose.

    Args:
        typed: The override as typed.
        error: What Hydra raised.
        cfg: The configuration without it.
        loader: Knows the groups and choices.

    Returns:
        The problem, with the closest key or choice as its fix.
    """
    key, _, value = typed.lstrip("+~").partition("=")
    text = str(error)
    if isinstance(error, ChoiceError):
        return choice(error)
    if isinstance(error, MissingConfigException):
        return _no_choice(str(error.missing_cfg_file), loader)
    if isinstance(error, OverrideParseException):
        return _unreadable(typed, loader)
    if "Ambiguous value" in text or "requires --multirun" in text:
        fix = f"Add -m to run each of them, or write '{key}=[{value}]' for a list."
        return Problem(key, f"must be one value, but is {value}.", fix)
    if "already at" in text:
        return Problem(key, "is a key already.", f"Leave out the +: {key}={value}")
    if "Could not delete" in text:
        return Problem(key, "is not a key, so it can't be left out.", _meant(key, cfg))
    if "Parent traversal" in text:  # Hydra 1.4
        return Problem(key, f"must not lead upwards, but is {value}.", f"Write it whole: {key}={Path(value).resolve()}")
    if "Could not override" in text:
        return Problem(key, "is not a key.", _meant(key, cfg) or _how_to_add(key, value, cfg))
    reason = str(error.__cause__ or error).splitlines()[0]
    return Problem(key, f"can't be {value}: {reason}." if value else f"{reason}.")


def whole(error: Exception) -> Problem:
    """Explains a composition that fails without any single override to blame."""
    if isinstance(error, ChoiceError):
        return choice(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return Problem(str(error.missing_cfg_file), str(error).splitlines()[0].rstrip(".") + ".")
    return Problem("configuration", f"can't be composed: {str(error).splitlines()[0]}")


def lone_revisions(overrides: Sequence[str]) -> list[Problem]:
    """Finds a revision beside a model of the hub: composing can't see it, and would read the shape of another one."""
    given = [typed.partition("=")[2] for typed in overrides if key_of(typed) == "model.revision"]
    models = [typed.partition("=")[2] for typed in overrides if key_of(typed) == "model" and "/" in typed]
    if not given or not models or is_path(models[-1]) or Path(models[-1]).is_dir():
        return []
    fix = f"Leave it out and write model={models[-1].partition('@')[0]}@{given[-1]}"
    what = f"must stand behind the model's name, so that its shape is read there, too, but is {given[-1]}."
    return [Problem("model.revision", what, fix)]


def choice(error: ChoiceError) -> Problem:
    """Explains a choice of the hub or a folder that can't be read."""
    return Problem(error.where, error.what, error.fix)


def lists_of_choices(overrides: Sequence[str]) -> list[Problem]:
    """Finds groups that were given a list, although they take one choice (Hydra would merge them without a word)."""
    return [
        Problem(
            key_of(typed), f"must be one choice, but is {typed.partition('=')[2]}.", "Name one, or run each with -m."
        )
        for typed in overrides
        if re.match(r"[+]*\w+=\[", typed) and key_of(typed) in GROUPS and key_of(typed) not in _SEVERAL
    ]


def _no_choice(missing: str, loader: ConfigLoader) -> Problem:
    group, _, choice = missing.rpartition("/")
    choices = sorted(loader.get_group_options(group))
    if group == "hydra/launcher" and choice in _EXTRAS:
        return Problem(group, f"can't be {choice}: it isn't installed.", f"pip install 'ftlab[{_EXTRAS[choice]}]'")
    close = get_close_matches(choice, choices, n=1, cutoff=0.6)
    fix = f"Did you mean {group}={close[0]}? " if close else ""
    if group in _ELSEWHERE and Path(choice).exists():
        fix = f"Did you mean {group}=./{choice}? "
    fix += f"Choices: {', '.join(choices)}.{_ELSEWHERE.get(group, '')}"
    return Problem(group, f"must be one of its choices, but is {choice!r}.", fix)


def _unreadable(typed: str, loader: ConfigLoader) -> Problem:
    if "=" not in typed:
        homes = [group for group in GROUPS if typed in loader.get_group_options(group)]
        return Problem(typed, "must be key=value.", f"Did you mean {homes[0]}={typed}?" if homes else "")
    key, _, value = typed.partition("=")
    quoted = f'"{value}"'
    if value[:1] + value[-1:] == "[]":
        parts = (part.strip(" \"'") for part in value[1:-1].split(","))
        quoted = "[" + ",".join(f'"{part}"' for part in parts) + "]"
    fix = f"Quote values that hold spaces, commas, =, brackets or letters beyond ASCII: '{key}={quoted}'"
    return Problem(key, f"can't be read: {value}", fix)


def _meant(key: str, cfg: DictConfig) -> str:
    return validate.suggestion(key, [*GROUPS, *validate.keys(cfg)])


def _how_to_add(key: str, value: str, cfg: DictConfig) -> str:
    node = cfg.get(key.partition(".")[0])
    if isinstance(node, DictConfig) and "_target_" in node:
        return f"To set a key of {node['_target_']} that the YAML file leaves out: +{key}={value}"
    return ""
