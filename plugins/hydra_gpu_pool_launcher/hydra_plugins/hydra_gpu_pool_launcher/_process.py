"""Starts and ends the processes of jobs. Each leads a process group of its own, so that what it starts ends with it."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_gpu_pool_launcher import _worker

POLL_S = 0.05


def start(
    specification: Path,
    result: Path,
    *,
    head: Mapping[str, Any],
    body: Mapping[str, bytes],
    log: Path,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Starts a job.

    Args:
        specification: File that the process reads what to do from.
        result: File that it writes the result to.
        head: Plain values: where to import from.
        body: What to run: pickles that can only be read once the head's folders are known.
        log: File that gets its standard output and error, behind what is there already.
        environment: All its environment variables.

    Returns:
        The process.
    """
    specification.write_bytes(pickle.dumps(dict(head)) + pickle.dumps(dict(body)))
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    command = [sys.executable, *flags, str(Path(_worker.__file__)), str(specification), str(result)]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )


def signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Sends a signal to a job and to all that it has started.

    Returns:
        Whether any of them was still there.
    """
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


def sweep_up(process: subprocess.Popen[bytes]) -> None:
    """Ends what a job that has ended left running: it would hold the slot's memory."""
    if signal_group(process, signal.SIGTERM):
        _wait_for_groups([process], 1.0)
        signal_group(process, signal.SIGKILL)


def end_all(processes: Iterable[subprocess.Popen[bytes]], grace_s: float, *, is_urgent: Any) -> None:
    """Ends jobs: SIGINT, then SIGTERM, then SIGKILL to those that are still there.

    Args:
        processes: The jobs.
        grace_s: Seconds that each of the first two is given.
        is_urgent: Called while waiting; true = no more waiting, SIGKILL now.
    """
    left = list(processes)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if number != signal.SIGKILL and is_urgent():
            continue
        for process in left:
            signal_group(process, number)
        until = time.monotonic() + (grace_s if number != signal.SIGKILL else 10.0)
        while time.monotonic() < until and (number == signal.SIGKILL or not is_urgent()):
            left = [process for process in left if process.poll() is None]
            if not left:
                break
            time.sleep(POLL_S)
    for process in processes:
        sweep_up(process)


def exit_name(code: int) -> str:
    """Returns an exit code in words: `0`, `1`, `SIGKILL`."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return str(code)


def _wait_for_groups(processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(signal_group(process, 0) for process in processes):
        time.sleep(POLL_S)
