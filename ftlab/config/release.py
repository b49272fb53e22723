"""What Hydra 1.3 and Hydra 1.4, each with its OmegaConf, call differently."""

from collections.abc import Callable, Sequence
from typing import Any

import hydra
from omegaconf import OmegaConf

_IS_1_3 = hydra.__version__.startswith("1.3.")

TRUSTED = ("ftlab.*", "hydra_plugins.*")
"""What Hydra itself may build from a configuration: callbacks, launchers, sweepers and log handlers."""

COMPOSING: dict[str, Any] = {"version_base": "1.3"} if _IS_1_3 else {}
"""For `initialize_config_dir`: 1.3 wants to be told not to behave as 1.1 did, 1.4 does so and warns of being told."""

RUNNING: dict[str, Any] = COMPOSING if _IS_1_3 else {"execution_whitelist": list(TRUSTED)}
"""For `hydra.main`."""


def building(targets: Sequence[str]) -> dict[str, Any]:
    """Returns what `instantiate` is told beside its node: 1.4 builds only what its caller names.

    Args:
        targets: Full names of classes that have been found fit to be called.
    """
    return {} if _IS_1_3 else {"_execution_whitelist_": list(targets)}


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Makes a function known to OmegaConf; doing it twice changes nothing.

    Args:
        name: As it stands in `${name:...}`.
        resolver: Takes what stands behind the colon.
    """
    register: Any = OmegaConf.register_new_resolver if _IS_1_3 else OmegaConf.register_resolver
    register(name, resolver, replace=True)
