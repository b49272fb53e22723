"""A launch: numbers the jobs, leaves out those that are done, gives the others to the pool, and says how it ended."""

import logging
import os
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from omegaconf import DictConfig

from hydra_plugins.hydra_gpu_pool_launcher import _compose, _send
from hydra_plugins.hydra_gpu_pool_launcher._display import open_display
from hydra_plugins.hydra_gpu_pool_launcher._failure import OptionError, SweepStopped
from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status, from_plain
from hydra_plugins.hydra_gpu_pool_launcher._pool import Pool
from hydra_plugins.hydra_gpu_pool_launcher._record import FILE, Record, alone
from hydra_plugins.hydra_gpu_pool_launcher._result import complete
from hydra_plugins.hydra_gpu_pool_launcher._signals import Signals
from hydra_plugins.hydra_gpu_pool_launcher._slots import find_slots
from hydra_plugins.hydra_gpu_pool_launcher._words import duration, labels
from hydra_plugins.hydra_gpu_pool_launcher._worker import IMPORTING
from hydra_plugins.hydra_gpu_pool_launcher.config import GpuPoolLauncherConf

if TYPE_CHECKING:
    from hydra_plugins.hydra_gpu_pool_launcher.gpu_pool_launcher import GpuPoolLauncher

log = logging.getLogger("hydra_plugins.hydra_gpu_pool_launcher")


def launch(
    launcher: "GpuPoolLauncher", job_overrides: Sequence[Sequence[str]], initial_job_idx: int
) -> Sequence[JobReturn]:
    """Runs a batch of jobs; see `GpuPoolLauncher.launch`."""
    setup_globals()
    assert launcher.config is not None
    assert launcher.hydra_context is not None
    assert launcher.task_function is not None
    config, context, options = launcher.config, launcher.hydra_context, launcher.options
    # Hydra 1.4 hands on what a configuration may call.
    allowed = {"execution_whitelist": context.execution_whitelist} if hasattr(context, "execution_whitelist") else {}
    configure_log(config.hydra.hydra_logging, config.hydra.verbose, **allowed)
    if os.environ.get(IMPORTING):
        raise OptionError("A job's process must not start a sweep.")  # it says more once Hydra has ended it
    _check(options)
    slots, notes = find_slots(
        options.devices,
        gpus_per_job=options.gpus_per_job,
        jobs_per_gpu=options.jobs_per_gpu,
        cpu_slots=options.cpu_slots,
    )
    application = _send.pack(context, launcher.task_function)
    sweep = Path(str(config.hydra.sweep.dir)).absolute()
    sweep.mkdir(parents=True, exist_ok=True)
    with alone(sweep), tempfile.TemporaryDirectory(prefix="gpu_pool-") as scratch, Signals() as signals:
        record = Record(sweep, goes_on=options.skip_done or launcher.launches > 0)
        launcher.launches += 1
        jobs = _number(launcher, record, job_overrides, initial_job_idx)
        names = Counter(slot.name for slot in slots)
        told = ", ".join(f"{name} ({count} jobs)" if count > 1 else name for name, count in names.items())
        log.info(f"{len(jobs)} jobs on {told}: {sweep}")
        for note in notes:
            log.info(note)
        display = open_display(len(slots), options.line_every_s)
        pool = Pool(launcher, jobs, slots, application, record, display, signals, Path(scratch))
        try:
            pool.run()
        finally:
            display.close(jobs)
    _conclude(jobs, record.path, pool.ended_by)
    signals.raise_it()
    for error in launcher.failures:
        error.sweep_failures = tuple(launcher.failures)  # type: ignore[attr-defined]
    if pool.ended_by:
        raise SweepStopped(f"{pool.ended_by} {record.path} tells what became of each job.", launcher.failures)
    return [job.result for job in jobs if job.result is not None]


def _check(options: GpuPoolLauncherConf) -> None:
    """Refuses numbers that make no sense, all at once."""
    least = {"gpus_per_job": 1, "jobs_per_gpu": 1, "cpu_slots": 1, "retries": 0, "grace_s": 0, "tail_lines": 0}
    wrong = [
        f"`hydra.launcher.{name}` must be at least {number}, but is {getattr(options, name)}."
        for name, number in least.items()
        if getattr(options, name) < number
    ]
    if options.line_every_s <= 0:
        wrong.append(f"`hydra.launcher.line_every_s` must be positive, but is {options.line_every_s}.")
    if options.max_failures is not None and options.max_failures < 0:
        wrong.append(f"`hydra.launcher.max_failures` must be null or at least 0, but is {options.max_failures}.")
    if wrong:
        raise OptionError("\n".join(wrong))


def _number(
    launcher: "GpuPoolLauncher", record: Record, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
) -> list[Job]:
    """Makes the jobs; with `skip_done`, those that are done get their results, the others a number that is free.

    A job that is known keeps its number, and so its folder, whatever other jobs the sweep has now.
    """
    jobs = [Job(initial_job_idx + place, tuple(overrides)) for place, overrides in enumerate(job_overrides)]
    if not launcher.options.skip_done:
        return jobs
    assert launcher.hydra_context is not None
    assert launcher.config is not None
    recorded, given = record.numbers, set[int]()
    unknown = []
    for job in jobs:
        cfg = _compose.compose(launcher.hydra_context, launcher.config, job)
        job.config_sha256 = _compose.hash_of(cfg)
        entry = record.find(job.overrides, job.config_sha256)
        if entry is None or entry["num"] in given:
            unknown.append(job)
        elif not record.is_done(entry):
            job.num = entry["num"]
            given.add(job.num)
            job.begins_again = entry["folder"] is not None
        elif entry["config_sha256"] == job.config_sha256:
            _take_over(job, entry, record, cfg)
            given.add(job.num)
        else:
            log.info(f"#{entry['num']} was done with the same overrides but another configuration: it runs again.")
            unknown.append(job)
    for job in unknown:
        if job.num in recorded | given:
            job.num = max(recorded | given) + 1
        given.add(job.num)
    return jobs


def _take_over(job: Job, entry: dict[str, object], record: Record, cfg: DictConfig) -> None:
    """Makes a job what an earlier launch has recorded of it."""
    job.restore(entry, record.path.parent)
    if job.returned_type and job.returned is None:
        log.info(f"What #{job.num} returned ({job.returned_type}) isn't in {FILE}: the sweeper gets None.")
    job.result = JobReturn(status=JobStatus.COMPLETED)
    complete(job.result, job, cfg)
    job.result.return_value = from_plain(job.returned, job.returned_type)


def _conclude(jobs: Sequence[Job], path: Path, ended_by: str) -> None:
    """Says what became of the jobs, and how to run those that are missing."""
    before = sum(job.was_done for job in jobs)
    counts = Counter(job.status for job in jobs if not job.was_done)
    told = [f"{counts[kind]} {kind}" for kind in Status if counts[kind]] + ([f"{before} done before"] if before else [])
    log.info(f"{', '.join(told)}; {path}")
    if ended_by:
        log.info(ended_by)
    names = labels(jobs)
    for job in jobs:
        if job.status in (Status.FAILED, Status.INTERRUPTED):
            where = f"; {job.log}" if job.log else ""
            log.info(f"  #{job.num} {names[job.num]}: {job.error} ({duration(job.seconds)}{where})")
    if any(job.status != Status.DONE for job in jobs):
        arguments = [
            text for text in sys.argv[1:] if not text.startswith(("hydra.sweep.dir=", "hydra.launcher.skip_done="))
        ]
        more = [f"hydra.sweep.dir={path.parent}", "hydra.launcher.skip_done=true"]
        log.info(f"Run only what is missing: {shlex.join([*_program(), *arguments, *more])}")


def _program() -> list[str]:
    """How the user started the application: `python app.py`, `python -m package`, or a command of its own."""
    main = _send.main_module()
    if module := main.get("module"):
        return ["python", "-m", module.removesuffix(".__main__")]
    name = Path(sys.argv[0]).name
    return ["python", sys.argv[0]] if name.endswith(".py") else [name]
