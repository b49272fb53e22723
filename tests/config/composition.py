"""Composes the shipped configuration in the test's own process."""

from copy import deepcopy
from functools import cache

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING


def composed(*overrides: str) -> DictConfig:
    """What `python -m ftlab <overrides>` composes, without Hydra's own node."""
    return deepcopy(_composed(overrides))


def choices(group: str) -> list[str]:
    """The names of a group's files."""
    return sorted(path.stem for path in (CONF_DIR / group).glob("*.yaml"))


@cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
        return compose("config", overrides=list(overrides))
