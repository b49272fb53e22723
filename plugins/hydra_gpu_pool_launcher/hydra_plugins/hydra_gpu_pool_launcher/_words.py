"""What is said about jobs, in words: their names, durations, and how long they will take."""

from collections.abc import Sequence

from hydra.core.utils import filter_overrides

from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status


def labels(jobs: Sequence[Job]) -> dict[int, str]:
    """Names jobs by what sets them apart.

    Args:
        jobs: All jobs of the launch.

    Returns:
        For each job's number the overrides that not all jobs have, Hydra's own left out; all where nothing differs.
    """
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    found = {}
    for job in jobs:
        plain = filter_overrides(job.overrides)
        own = [text for text in plain if text not in common]
        found[job.num] = " ".join(own or plain) or "(no overrides)"
    return found


def duration(seconds: float) -> str:
    """Writes a duration: `42 s`, `3:07`, `1:02:33`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bytes_text(count: float) -> str:
    """Writes bytes: `812 MB`, `17.3 GB`; powers of ten, as GPUs are sold."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def left_s(job: Job, now_s: float) -> float | None:
    """Reckons how long a running job will take.

    Args:
        job: The job.
        now_s: The present moment, seconds since 1970.

    Returns:
        Seconds: what the job says, else its steps to come at the pace since its first report; None if it isn't known.
    """
    if job.status != Status.RUNNING:
        return None
    if "left_s" in job.progress:
        return float(job.progress["left_s"])
    step, steps = job.progress.get("step"), job.progress.get("steps")
    if job.first_report is None or step is None or steps is None:
        return None
    first_s, first_step = job.first_report
    return (now_s - first_s) / (step - first_step) * max(0, steps - step) if step > first_step else None


def sweep_left_s(jobs: Sequence[Job], slots: int, now_s: float) -> float | None:
    """Reckons how long the sweep will take, from the mean time of the jobs that are done.

    Args:
        jobs: All jobs of the launch.
        slots: How many run at a time.
        now_s: The present moment, seconds since 1970.

    Returns:
        Seconds; None before the first job is done, and once no job is left.
    """
    took = [job.seconds for job in jobs if job.status == Status.DONE and not job.was_done]
    waiting = sum(job.status == Status.WAITING for job in jobs)
    running = [job for job in jobs if job.status == Status.RUNNING]
    if not took or not (waiting or running):
        return None
    mean = sum(took) / len(took)
    known = [left_s(job, now_s) for job in running]
    rest = [max(0.0, mean - job.seconds) if left is None else left for job, left in zip(running, known, strict=True)]
    return max([*rest, (sum(rest) + mean * waiting) / slots])
