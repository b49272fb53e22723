"""Composes a job's configuration in the launcher's process: folder and environment must be known before it starts."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from hydra_plugins.hydra_gpu_pool_launcher._job import Job

_CONFIG_FLAGS = {"--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd"}


def compose(hydra_context: HydraContext, config: DictConfig, job: Job, again: Sequence[str] = ()) -> DictConfig:
    """Composes a job's configuration.

    Args:
        hydra_context: As Hydra gave it.
        config: The sweep's.
        job: The job; its number and overrides are read.
        again: Further overrides; they leave the job's folder what it is without them.

    Returns:
        The configuration, Hydra's part included; `hydra.run.dir` is the job's folder, for what starts the job's command
        line anew in further processes, as Lightning does for each GPU.
    """
    plain = _load(hydra_context, config, job, ())
    folder = folder_of(plain)
    cfg = _load(hydra_context, config, job, again) if again else plain
    subdir = os.path.relpath(folder, _select(cfg, "hydra.sweep.dir"))
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.run.dir = str(folder)
        if again:
            cfg.hydra.sweep.subdir = subdir
    return cfg


def folder_of(cfg: DictConfig) -> Path:
    """Returns a job's folder, absolute."""
    return Path(_select(cfg, "hydra.sweep.dir")).absolute() / _select(cfg, "hydra.sweep.subdir")


def hash_of(cfg: DictConfig) -> str:
    """Returns a hash of a configuration without Hydra's part, interpolations unresolved."""
    keys = [str(key) for key in cfg if key != "hydra"]
    text = OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, keys), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def env_set(cfg: DictConfig) -> dict[str, str]:
    """Returns `hydra.job.env_set`, resolved: some variables only work if they are there when a process starts."""
    with _as_hydra_config(cfg):
        variables = OmegaConf.to_container(cfg.hydra.job.env_set, resolve=True)
    assert isinstance(variables, dict)
    return {str(name): str(value) for name, value in variables.items()}


def single_run_argv(argv: Sequence[str], cfg: DictConfig, folder: Path) -> list[str]:
    """Returns the command line that runs the job alone.

    It becomes the job's `sys.argv`, so that a library that starts it anew starts one job, not the sweep.

    Args:
        argv: The launcher's.
        cfg: The job's configuration.
        folder: The job's folder.
    """
    kept: list[str] = []
    words = iter(argv[1:])
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag in _CONFIG_FLAGS:
            kept += [word] if equals else [word, next(words, "")]
    settings = [str(text) for text in cfg.hydra.overrides.hydra]
    of_the_sweep = (
        "hydra/launcher=",
        "hydra/sweeper=",
        "hydra.launcher.",
        "hydra.sweep",
        "hydra.mode=",
        "hydra.run.dir=",
        "hydra.job.config.override_dirname.",
    )
    settings = [text for text in settings if not text.lstrip("+").startswith(of_the_sweep)]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    alone = ["hydra.mode=RUN", f"hydra.run.dir='{quoted}'"]  # the mode, as the configuration may ask for a sweep
    return [argv[0], *kept, *(str(text) for text in cfg.hydra.overrides.task), *settings, *alone]


def _load(context: HydraContext, config: DictConfig, job: Job, again: Sequence[str]) -> DictConfig:
    cfg = context.config_loader.load_sweep_config(config, [*job.overrides, *again])
    with open_dict(cfg):
        cfg.hydra.job.id = str(job.num)
        cfg.hydra.job.num = job.num
    return cfg


def _select(cfg: DictConfig, key: str) -> str:
    with _as_hydra_config(cfg):
        return str(OmegaConf.select(cfg, key))


@contextmanager
def _as_hydra_config(cfg: DictConfig) -> Iterator[None]:
    """Lets `${hydra:...}` mean this job's, as it will in the job's process."""
    before = HydraConfig.instance().cfg
    try:
        HydraConfig.instance().set_config(cfg)
        yield
    finally:
        HydraConfig.instance().cfg = before
