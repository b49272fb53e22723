"""The pool: gives waiting jobs to free slots, watches their processes, and ends them when the sweep must end."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from hydra_plugins.hydra_gpu_pool_launcher import _compose, _process, _result, _send
from hydra_plugins.hydra_gpu_pool_launcher._display import Display
from hydra_plugins.hydra_gpu_pool_launcher._failure import JobFailed
from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status
from hydra_plugins.hydra_gpu_pool_launcher._record import Record
from hydra_plugins.hydra_gpu_pool_launcher._signals import Signals
from hydra_plugins.hydra_gpu_pool_launcher._slots import VISIBLE, Slot
from hydra_plugins.hydra_gpu_pool_launcher._words import duration, labels
from hydra_plugins.hydra_gpu_pool_launcher.progress import VARIABLE

if TYPE_CHECKING:
    from hydra_plugins.hydra_gpu_pool_launcher.gpu_pool_launcher import GpuPoolLauncher

LOG = "console.log"
PROGRESS_EVERY_S = 0.5
RECORD_EVERY_S = 10.0
"""Seconds after which the record is written for progress alone; each change of state writes it at once."""


@dataclass
class Running:
    """A job's process, and its files in the launcher's own folder."""

    job: Job
    cfg: DictConfig
    slot: Slot
    process: subprocess.Popen[bytes]
    result: Path
    progress: Path
    log_start: int


class Pool:
    """Runs jobs on slots.

    Args:
        launcher: Its options, its application, its failures.
        jobs: All jobs of the launch, those that are done already among them.
        slots: Where they run.
        application: As `_send.pack` gives it.
        record: Written with each change.
        display: Told of each change.
        signals: What ends the pool.
        scratch: A folder of the launcher's own.

    Attributes:
        ended_by: The policy that ended the sweep, in words; empty if none did.
    """

    def __init__(
        self,
        launcher: "GpuPoolLauncher",
        jobs: Sequence[Job],
        slots: Sequence[Slot],
        application: bytes,
        record: Record,
        display: Display,
        signals: Signals,
        scratch: Path,
    ) -> None:
        self._launcher = launcher
        self._options = launcher.options
        self._jobs = jobs
        self._names = labels(jobs)
        self._waiting = [job for job in jobs if job.status == Status.WAITING]
        self._free = list(slots)
        self._slots = [slot.name for slot in slots]
        self._running: list[Running] = []
        self._folders: dict[Path, int] = {}
        self._application = application
        self._record = record
        self._display = display
        self._signals = signals
        self._scratch = scratch
        self._looked_s = 0.0
        self.ended_by = ""

    def run(self) -> None:
        """Runs all jobs, or until a signal or a policy ends them; no process of theirs is left."""
        for job in self._jobs:
            if job.was_done:
                self._display.say(f"#{job.num} {self._names[job.num]}: done before")
        self._write("running")
        self._judge()
        try:
            while (self._waiting or self._running) and self._signals.first is None and not self._must_end():
                while self._waiting and self._free and not self.ended_by:
                    self._start(self._waiting.pop(0))
                for running in [each for each in self._running if each.process.poll() is not None]:
                    self._finish(running)
                self._look()
                if self.ended_by and not self._running:
                    break
                time.sleep(_process.POLL_S)
        finally:
            self._end_running()
        for job in self._waiting:
            job.status = Status.NOT_STARTED
            self._fail(job, JobFailed(f"Job {job.num} was not started."), counts=False)
        self._write(self._status())

    def _must_end(self) -> bool:
        return self._options.fail_fast and bool(self.ended_by)

    def _status(self) -> str:
        if self._signals.first is not None:
            return "interrupted"
        if self.ended_by:
            return "stopped"
        return "done" if all(job.status == Status.DONE for job in self._jobs) else "failed"

    def _start(self, job: Job) -> None:
        job.attempts += 1
        job.started_s, job.ended_s = time.time(), None
        job.progress, job.first_report, job.error, job.traceback = {}, None, "", ""
        slot = self._free.pop(0)
        try:
            running = self._spawn(job, slot)
        except Exception as error:  # its overrides don't compose, its folder can't be made: this job's affair alone
            self._free.append(slot)
            job.ended_s, job.status = time.time(), Status.FAILED
            job.error = " ".join(f"{type(error).__name__}: {error}".split())
            self._fail(job, error)
            self._display.say(f"#{job.num} {self._names[job.num]} can't start: {job.error}")
            self._write("running")
            return
        job.status, job.slot = Status.RUNNING, slot.name
        self._running.append(running)
        times = f" (attempt {job.attempts})" if job.attempts > 1 else ""
        self._display.say(f"#{job.num} {self._names[job.num]}: started on {slot.name}{times}")
        self._write("running")

    def _spawn(self, job: Job, slot: Slot) -> Running:
        assert self._launcher.hydra_context is not None
        assert self._launcher.config is not None
        task, again = self._launcher.task_function, self._options.again
        if again is None:
            again = getattr(task, "gpu_pool_again", [])
        again = again if job.begins_again else []
        cfg = _compose.compose(self._launcher.hydra_context, self._launcher.config, job, again)
        if not again:
            job.config_sha256 = _compose.hash_of(cfg)
        folder = job.folder = _compose.folder_of(cfg)
        if self._folders.setdefault(folder, job.num) != job.num:
            raise ValueError(
                f"`hydra.sweep.subdir` must name another folder for each job, but {folder} is job "
                f"{self._folders[folder]}'s. Put ${{hydra.job.num}} into it."
            )
        variables = _compose.env_set(cfg)
        if VISIBLE in variables and VISIBLE in slot.environment:
            raise ValueError(f"`hydra.job.env_set` must not set {VISIBLE}: hydra/launcher=gpu_pool does. Take it out.")
        folder.mkdir(parents=True, exist_ok=True)
        job.log = folder / LOG
        files = {kind: self._scratch / f"{job.num}-{job.attempts}.{kind}" for kind in ("job", "result", "progress")}
        environment = {"PYTHONUNBUFFERED": "1", **os.environ, **variables, **slot.environment}
        environment[VARIABLE] = str(files["progress"])
        process = _process.start(
            files["job"],
            files["result"],
            head={
                "path": sys.path,
                "launcher_argv": sys.argv,
                "argv": _compose.single_run_argv(sys.argv, cfg, folder),
                "launcher_pid": os.getpid(),
                "main": _send.main_module(),
                "needs_main": getattr(task, "__module__", "") == "__main__",
            },
            body={"application": self._application, "config": _send.dumps(cfg)},
            log=job.log,
            environment=environment,
        )
        return Running(job, cfg, slot, process, files["result"], files["progress"], log_start=job.log.stat().st_size)

    def _finish(self, running: Running) -> None:
        """Takes a job whose process has ended out of its slot."""
        job = running.job
        _process.sweep_up(running.process)
        self._running.remove(running)
        self._free.append(running.slot)
        self._read_progress(running)
        job.ended_s = time.time()
        job.exit = _process.exit_name(running.process.returncode)
        job.result = _result.read(running.result, job, running.cfg)
        name = f"#{job.num} {self._names[job.num]}"
        if job.status == Status.DONE:
            self._display.say(f"{name}: done in {duration(job.seconds)}{_ending(job)}")
        elif job.status == Status.FAILED and job.attempts <= self._options.retries:
            self._display.say(f"{name}: {job.error} (it is started again)\n{self._evidence(running)}")
            job.status, job.begins_again = Status.WAITING, True
            self._waiting.insert(0, job)
        else:
            self._display.say(f"{name}: {job.error}\n{self._evidence(running)}")
            assert job.result is not None
            self._fail(job, job.result._return_value)
        self._write("running")

    def _fail(self, job: Job, error: Exception, *, counts: bool = True) -> None:
        if job.result is None:
            job.result = JobReturn(overrides=list(job.overrides), status=JobStatus.FAILED)
            job.result.return_value = error
        if not counts:
            return
        self._launcher.failures.append(error)
        self._judge()

    def _judge(self) -> None:
        """Ends the sweep if a policy says so and something is left to end; the batches of a sweeper count together."""
        failed, limit = len(self._launcher.failures), self._options.max_failures
        if self._options.fail_fast and failed and (self._waiting or self._running):
            self.ended_by = "fail_fast: a job failed, and the sweep was ended."
        elif limit is not None and failed > limit and self._waiting:
            self.ended_by = f"max_failures={limit}: {failed} jobs failed, and no further one was started."

    def _end_running(self) -> None:
        """Ends all jobs that run; a second Ctrl-C makes it quick."""
        if not self._running:
            return
        count = len(self._running)
        self._display.say(
            f"Ending {count} job{'s' if count > 1 else ''}: at most {duration(2 * self._options.grace_s)}; "
            "Ctrl-C again ends them at once."
        )
        so_far = self._signals.count
        processes = [running.process for running in self._running]
        _process.end_all(processes, self._options.grace_s, is_urgent=lambda: self._signals.count > max(1, so_far))
        for running in self._running:
            job = running.job
            self._read_progress(running)
            job.ended_s = time.time()
            job.exit = _process.exit_name(running.process.returncode)
            job.result = _result.read(running.result, job, running.cfg)
            if job.status != Status.DONE:  # some reach their end just then
                job.status, job.error = Status.INTERRUPTED, "The sweep was ended."
        self._running.clear()

    def _look(self) -> None:
        """Reads what the jobs tell of themselves."""
        if time.monotonic() - self._looked_s >= PROGRESS_EVERY_S:
            self._looked_s = time.monotonic()
            for running in self._running:
                self._read_progress(running)
            if self._record.age_s > RECORD_EVERY_S:
                self._write("running")
        self._display.update(self._jobs)

    def _read_progress(self, running: Running) -> None:
        job = running.job
        try:
            told = json.loads(running.progress.read_bytes())
        except (OSError, ValueError):  # not there yet, or no JSON
            return
        job.progress = _result.checked_progress(told)
        if job.first_report is None and "step" in job.progress:
            job.first_report = (time.time(), job.progress["step"])

    def _evidence(self, running: Running) -> str:
        """The job's own traceback, or the end of its output where there is none."""
        text = running.job.traceback
        if not text:
            assert running.job.log is not None
            text = _result.tail(running.job.log, running.log_start, self._options.tail_lines)
        told = "\n".join(f"  | {line}" for line in text.rstrip().splitlines())
        return f"{told}\n  log: {running.job.log}" if told else f"  log: {running.job.log}"

    def _write(self, status: str) -> None:
        try:
            self._record.write(self._jobs, self._slots, status)
        except OSError as error:  # a full disk must not end the jobs
            logging.getLogger(__name__).warning("%s can't be written: %s", self._record.path, error)


def _ending(job: Job) -> str:
    parts: list[Any] = [f"loss {job.progress['loss']:.4g}"] if "loss" in job.progress else []
    if isinstance(job.returned, int | float):
        parts.append(f"returned {job.returned:.6g}")
    return f", {', '.join(parts)}" if parts else ""
