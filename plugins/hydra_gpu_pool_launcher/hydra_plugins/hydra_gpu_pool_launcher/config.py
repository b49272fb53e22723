"""The options of `hydra/launcher=gpu_pool`."""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore


@dataclass
class GpuPoolLauncherConf:
    """What `hydra.launcher.*` may hold."""

    _target_: str = "hydra_plugins.hydra_gpu_pool_launcher.gpu_pool_launcher.GpuPoolLauncher"

    # GPUs of the pool, in CUDA_VISIBLE_DEVICES' words: [0,1], [GPU-5d1e...], [MIG-7a2f...]. null = those in
    # CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists. [] = none: the jobs run on CPU slots and see no GPU.
    devices: list[str] | None = None

    # GPUs that each job gets.
    gpus_per_job: int = 1

    # Jobs that share a GPU (or a group of gpus_per_job) at a time; their memory must fit together.
    jobs_per_gpu: int = 1

    # Jobs at a time where there is no GPU. With more than one, each gets its share of the cores (OMP_NUM_THREADS).
    cpu_slots: int = 1

    # How often a job that failed or was killed is started again.
    retries: int = 0

    # Overrides that a job gets in addition when it starts again in the folder of an earlier attempt: ['resume=auto'].
    # null = what the application gives as its task function's attribute `gpu_pool_again`, if it does.
    again: list[str] | None = None

    # true = jobs that are done, as sweep.json in hydra.sweep.dir tells, aren't run again. A job is known by its
    # overrides and its configuration, not by its number.
    skip_done: bool = False

    # true = the first failed job ends the sweep: those that run are ended, those that wait aren't started.
    fail_fast: bool = False

    # More failed jobs than this, and no further job is started; those that run go on to their end. null = no limit.
    max_failures: int | None = None

    # Seconds between SIGINT and SIGTERM, and between SIGTERM and SIGKILL, when jobs are ended.
    grace_s: float = 30.0

    # Seconds between two lines about the running jobs where there is no terminal.
    line_every_s: float = 60.0

    # Lines of a failed job's output that are shown.
    tail_lines: int = 20


ConfigStore.instance().store(
    group="hydra/launcher", name="gpu_pool", node=GpuPoolLauncherConf, provider="gpu_pool_launcher"
)
