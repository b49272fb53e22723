"""Runs the jobs of a multirun in processes of their own, one for each GPU or CPU slot; see the README beside it."""

from hydra_plugins.hydra_gpu_pool_launcher._failure import JobFailed, OptionError, SweepStopped

__all__ = ["JobFailed", "OptionError", "SweepStopped"]
__version__ = "0.1.0"
