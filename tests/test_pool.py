"""`python -m ftlab -m hydra/launcher=gpu_pool`: exit codes and messages where jobs run in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.test_app import FAKE_TASK

SCRIPT = FAKE_TASK.replace(
    "from ftlab.app import main\nmain()", 'from ftlab.app import main\nif __name__ == "__main__": main()'
)


def sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs ftlab with a task that only does what its seed says, two jobs at a time."""
    script = folder / "fake.py"
    script.write_text(SCRIPT)
    words = ["-m", "hydra/launcher=gpu_pool", "hydra.launcher.cpu_slots=2", "hydra.sweep.dir=sweep", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(script), *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_jobs_fail_for_themselves_and_the_sweep_goes_on_where_they_are_missing(tmp_path: Path) -> None:
    done = sweep(tmp_path, "seed=1,7,9")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "  | RuntimeError: the run broke\n  log: " in done.stderr
    assert "ftlab found 2 problems in its input:" in done.stderr
    assert "#0 seed=1: done" in done.stderr
    assert done.stderr.rstrip().endswith("2 of the jobs failed, see above.")
    jobs = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]
    assert [job["status"] for job in jobs] == ["done", "failed", "failed"]
    assert jobs[0]["returned"] == 1.5

    again = sweep(tmp_path, "seed=1,9", "hydra.launcher.skip_done=true")
    assert again.returncode == 2, "what is left to fail is bad input"
    assert "#0 seed=1: done before" in again.stderr
    assert "resume=auto" in (tmp_path / "sweep" / "2-qlora-s9" / ".hydra" / "overrides.yaml").read_text()


def test_option_that_cannot_be_met_is_bad_input(tmp_path: Path) -> None:
    done = sweep(tmp_path, "seed=1,2", "hydra.launcher.retries=-1")
    assert done.returncode == 2
    assert "`hydra.launcher.retries` must be at least 0, but is -1." in done.stderr
    assert "Traceback" not in done.stderr
