"""How a run is called, and what it is found by, where many runs are shown."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

_GROUPS = ("task", "model", "method", "quantization", "data", "scheduler", "kernels")


def names(folder: Path, task: str) -> dict[str, Any]:
    """Returns a run's name: its folder's; in a multirun without the job's number, and the sweep as its group.

    Args:
        folder: The run's folder.
        task: The task's name.

    Returns:
        `name`, `group` and `job_type`, as W&B calls them; what isn't known is left out.
    """
    if not HydraConfig.initialized():
        return {"name": folder.name}
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return {"name": folder.name, "job_type": "run" if task == "train" else task}
    sweep = Path(hydra.sweep.dir)
    name = re.sub(r"^\d+-", "", folder.name)
    return {"name": name, "group": f"{sweep.parent.name}/{sweep.name}", "job_type": "multirun"}


def words() -> list[str]:
    """Returns what stands behind `python -m ftlab` to do the run again, alone.

    A job of a sweep has no command line of its own: its process has that of the sweep, or of whatever started it on a
    cluster. The mode is named because a choice such as `search=default` asks for a sweep.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return sys.argv[1:]
    return [*map(str, HydraConfig.get().overrides.task), "hydra.mode=RUN"]


def filters(config: Mapping[str, Any], group: str | None) -> dict[str, Any]:
    """Returns what runs are filtered and grouped by, one key each: dashboards don't find nested keys as easily.

    Args:
        config: The composed configuration as plain data.
        group: The sweep, if the run is part of one.

    Returns:
        `method_name` and the names of the other groups' choices, `lr`, `rank` (null where the method has none) and
        `sweep`; `seed` is a key of the configuration already.
    """
    chosen = {f"{name}_name": config[name]["name"] for name in _GROUPS}
    return {**chosen, "lr": config["optimizer"]["lr"], "rank": config["method"].get("r"), "sweep": group}
