"""The launcher as Hydra sees it: thin, as every application imports it. `launch` imports what does the work."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.hydra_gpu_pool_launcher.config import GpuPoolLauncherConf


class GpuPoolLauncher(Launcher):
    """Runs each job in a process of its own, on a slot of a pool of GPUs.

    Args:
        options: The fields of `GpuPoolLauncherConf`.

    Attributes:
        options: The same, as one object.
        failures: Errors of the jobs that failed since the sweep began; sweepers may launch several batches.
    """

    def __init__(self, **options: Any) -> None:
        self.options = GpuPoolLauncherConf(**options)
        self.failures: list[Exception] = []
        self.launches = 0
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what a job needs, as Hydra gives it."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch of jobs and waits for their end.

        Args:
            job_overrides: The overrides of each job.
            initial_job_idx: The first job's number.

        Returns:
            What each job returned, in the order given; a failed job's raises its error when it is read.

        Raises:
            SweepStopped: `fail_fast` or `max_failures` ended the sweep.
            OptionError: An option can't be met; nothing was started.
            KeyboardInterrupt: The launcher was told to end; so were its jobs.
        """
        from hydra_plugins.hydra_gpu_pool_launcher import _core

        return _core.launch(self, job_overrides, initial_job_idx)
