"""Whole applications: how they are started, how Ctrl-C ends them, and what a terminal shows."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

APPS = Path(__file__).parent / "apps"


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it didn't come to that in time")


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def pids(sweep: Path, *nums: int) -> list[int]:
    """Waits until jobs and what they have started run."""
    files = [sweep / str(num) / "pids" for num in nums]
    until(lambda: all(file.is_file() for file in files))
    return [int(pid) for file in files for pid in file.read_text().split()]


def test_task_in_main_sees_its_slot_its_environment_and_what_the_module_registers(app: Any) -> None:
    code, output = app.run(
        "inner.x=2,3,4", "+hydra.job.env_set.SET_BEFORE=early", "hydra.job.chdir=true", CUDA_VISIBLE_DEVICES="4,7"
    )
    assert code == 0, output
    seen = [app.seen(num) for num in range(3)]
    assert {gpu for gpu, *_ in seen} == {"4", "7"}
    assert [rest for _, *rest in seen] == [
        ["early", str(app.sweep / str(num)), str(double)] for num, double in enumerate((4, 6, 8))
    ]
    assert [job["returned"] for job in app.record["jobs"]] == [4.0, 6.0, 8.0]
    assert app.record["status"] == "done"
    assert app.record["slots"] == ["GPU 4", "GPU 7"]


def test_package_is_started_as_a_single_run_of_its_own(app: Any) -> None:
    code, output = app.run("+x=1", program=("-m", "package"))
    assert code == 0, output
    folder = app.sweep / "0"
    assert app.seen(0) == ["package.__main__", "+x=1", "hydra.mode=RUN", f"hydra.run.dir='{folder}'", str(folder)]


@pytest.mark.parametrize("full_error", ["0", "1"])
def test_application_that_starts_on_import_is_told_how_to_mend_it(app: Any, full_error: str) -> None:
    code, output = app.run("+x=1", program=(str(APPS / "eager.py"),), HYDRA_FULL_ERROR=full_error)
    assert code == 1
    assert 'Put the call of the main function below `if __name__ == "__main__":`' in output


def test_ctrl_c_ends_jobs_and_what_they_started(app: Any) -> None:
    kinds = "kind=waits,stubborn,good"
    process = app.start(kinds, "hydra.launcher.cpu_slots=2", "hydra.launcher.grace_s=1.5")
    running = pids(app.sweep, 0, 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT), output
    assert [pid for pid in running if is_alive(pid)] == []
    assert (app.sweep / "0" / "saved").is_file(), "a job may save what it has"
    record = app.record
    assert record["status"] == "interrupted"
    assert [(job["status"], job["exit"]) for job in record["jobs"]] == [
        ("interrupted", "130"), ("interrupted", "SIGKILL"), ("not started", ""),
    ]  # fmt: skip
    assert "Run only what is missing: python" in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_job_outlives_the_launcher(number: signal.Signals, code: int, app: Any) -> None:
    process = app.start("kind=waits")
    job, _ = pids(app.sweep, 0)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    until(lambda: not is_alive(job))


def test_terminal_shows_a_table(app: Any) -> None:
    leader, follower = pty.openpty()
    command = app.command("kind=good,raises", "inner.x=2")
    environment = {**os.environ, "PYTHONPATH": str(APPS), "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    with subprocess.Popen(command, cwd=app.folder, env=environment, stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = b""
        while select.select([leader], [], [], 30)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # Linux's end of a terminal
                break
    os.close(leader)
    assert process.returncode == 1
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "1 waiting · 1 running" in text
    assert "1 done · 1 failed" in text
    last = text[text.rindex("1 done · 1 failed") :]
    assert re.search(r"0\s+kind=good\s+CPU 0\s+done", last)
    assert re.search(r"1\s+kind=raises\s+CPU 0\s+failed\s+3/4\s+0\.5\s+2\.0 GB", last)
    assert "  | ValueError: no such luck" in text
