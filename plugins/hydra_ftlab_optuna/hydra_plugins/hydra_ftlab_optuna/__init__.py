"""Chooses the jobs of a multirun with Optuna, and ends those early that won't win; see the README beside it."""

from hydra_plugins.hydra_ftlab_optuna._failure import OptionError

__all__ = ["OptionError"]
__version__ = "0.1.0"
