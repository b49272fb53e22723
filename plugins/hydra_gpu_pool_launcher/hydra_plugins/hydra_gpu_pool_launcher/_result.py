"""How a job ended: what its process left behind, read back in the launcher's."""

import contextlib
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.hydra_gpu_pool_launcher._failure import InAnotherProcess, JobFailed
from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status, to_plain

_NUMBERS = ("step", "steps", "loss", "memory_bytes", "left_s")


def read(path: Path, job: Job, cfg: DictConfig) -> JobReturn:
    """Reads a job's result, and notes in the job how it ended.

    Args:
        path: The file that its process wrote, if it came that far.
        job: Its `exit` is read; `status`, `error`, `traceback`, `returned` and `returned_type` are set.
        cfg: Its configuration.

    Returns:
        What the sweeper gets.
    """
    try:
        outcome = pickle.loads(path.read_bytes())
    except OSError:
        return _failed(job, cfg, Status.FAILED, _death(job))
    if outcome["interrupted"]:
        return _failed(job, cfg, Status.INTERRUPTED, f"Job {job.num} was interrupted.")
    job.traceback = outcome["traceback"]
    import multiprocessing  # noqa: F401  # gives `__main__` its second name, `__mp_main__`, which the result may know

    try:
        result = pickle.loads(outcome["result"])
    except Exception as error:  # its classes can be found in the job's process, but not in this one
        if outcome["error"]:
            return _failed(job, cfg, Status.FAILED, outcome["error"])
        return _failed(job, cfg, Status.FAILED, f"What job {job.num} returned can't be read: {error}")
    assert isinstance(result, JobReturn)
    complete(result, job, cfg)
    if result.status == JobStatus.COMPLETED:
        job.status = Status.DONE
        job.returned, job.returned_type = to_plain(result._return_value)
        return result
    job.status, job.error = Status.FAILED, outcome["error"]
    raised = result._return_value
    if job.traceback and getattr(result, "_remote_traceback", None) is None:  # Hydra 1.4 carries it over itself
        with contextlib.suppress(AttributeError):
            raised.__cause__ = InAnotherProcess(job.traceback)
    return result


def checked_progress(told: Any) -> dict[str, Any]:
    """Takes from a progress file what is of the right kind: any program may have written it."""
    if not isinstance(told, Mapping):
        return {}
    numbers = {key: told[key] for key in _NUMBERS if isinstance(told.get(key), int | float)}
    found: dict[str, Any] = {key: number for key, number in numbers.items() if math.isfinite(number)}
    if isinstance(told.get("note"), str):
        found["note"] = told["note"][:40]
    return found


def tail(log: Path, start: int, lines: int) -> str:
    """Returns the last lines of a log.

    Args:
        log: The file.
        start: Bytes of earlier attempts at its beginning.
        lines: How many lines.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - 65536))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) if lines else ""


def _death(job: Job) -> str:
    why = " The system does that when memory runs out." if job.exit == "SIGKILL" else ""
    how = f"was killed by {job.exit}." if job.exit.startswith("SIG") else f"ended with exit code {job.exit}."
    return f"Job {job.num} {how}{why}"


def _failed(job: Job, cfg: DictConfig, status: Status, error: str) -> JobReturn:
    job.status, job.error = status, error
    result = JobReturn(status=JobStatus.FAILED)
    result.return_value = JobFailed(error)
    complete(result, job, cfg)
    return result


def complete(result: JobReturn, job: Job, cfg: DictConfig) -> None:
    """Fills in what Hydra's `run_job` fills in, where it has not come to its end.

    Args:
        result: Left as it is if it has a configuration.
        job: The job.
        cfg: Its configuration.
    """
    if result.cfg is not None:
        return
    result.overrides, result.task_name, result.working_dir = (
        list(job.overrides),
        str(cfg.hydra.job.name),
        str(job.folder),
    )
    result.cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    result.hydra_cfg = OmegaConf.masked_copy(cfg, ["hydra"])
