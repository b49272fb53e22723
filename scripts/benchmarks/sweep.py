"""Shows what a sweep survives: 27 short jobs on CPU slots, one killed, one made to fail, then taken up again.

The embedded model on the demo: three methods at three learning rates with three seeds. The job in the middle is killed
with SIGKILL once it has saved a checkpoint; another one finds a folder where its metrics file should be, and fails.
Then the folder is removed and the sweep resumed: those two jobs alone run, the killed one from its checkpoint.

usage: python -m scripts.benchmarks.sweep --out FOLDER --sweep FOLDER [--steps 12] [--slots 2]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import psutil

from ftlab.config.compose import recompose
from ftlab.config.name import job_name

METHODS, FACTORS, SEEDS = ("full", "lora", "qlora"), ("0.3", "1", "3"), ("1", "2", "3")
KILLED, FAILED = 13, 17
"""The numbers of the jobs that something is done to."""
PACKAGES = ("hydra-core", "torch", "transformers", "peft", "bitsandbytes", "lightning")


def main() -> None:
    """Runs the sweep, spoils two jobs, resumes it, and writes down what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sweep", type=Path, required=True, help="the sweep's folder")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--slots", type=int, default=2)
    options = parser.parse_args()
    pool = ("hydra/launcher=gpu_pool", f"hydra.launcher.cpu_slots={options.slots}")
    command = [
        "-m", *pool, f"hydra.sweep.dir={options.sweep}",
        f"method={','.join(METHODS)}", f"training.lr_factor={','.join(FACTORS)}", f"seed={','.join(SEEDS)}",
        f"training.max_steps={options.steps}", f"training.eval_every_steps={options.steps}",
        "training.checkpoint_every_steps=2", "evaluation=perplexity", "logger=none",
    ]  # fmt: skip
    jobs = [list(job) for job in product(METHODS, FACTORS, SEEDS)]
    obstacle = options.sweep / _name(FAILED, jobs[FAILED]) / "metrics.csv"
    obstacle.mkdir(parents=True)

    first, killed_at = _run(command, kills=options.sweep / _name(KILLED, jobs[KILLED]))
    after_first = _record(options.sweep)
    obstacle.rmdir()
    second, _ = _run([*command, "hydra.launcher.skip_done=true"])
    after_second = _record(options.sweep)

    killed_folder = options.sweep / _name(KILLED, jobs[KILLED])
    again = [job["num"] for job, before in _pairs(after_second, after_first) if job["started"] != before["started"]]
    found = {
        "command": ["python", "-m", "ftlab", *command],
        "jobs": len(jobs),
        "slots": after_first["slots"],
        "versions": {name: version(name) for name in PACKAGES},
        "first": {**first, **_ended(after_first)},
        "killed": {"job": KILLED, "folder": killed_folder.name, "after_step": killed_at},
        "failed": {"job": FAILED, "folder": obstacle.parent.name, "by": "a folder in the place of metrics.csv"},
        "second": {**second, **_ended(after_second), "ran_again": again, "killed_job": _attempts(killed_folder)},
        "written": sorted(path.name for path in options.sweep.iterdir() if path.is_file()),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1).replace(str(options.sweep), "sweep")  # where it lay says nothing
    (options.out / "sweep.json").write_text(f"{text}\n", encoding="utf-8")
    print(text)


def _name(number: int, job: list[str]) -> str:
    """The folder of a job."""
    method, factor, seed = job
    overrides = [f"method={method}", f"training.lr_factor={factor}", f"seed={seed}"]
    return f"{number}-{job_name(method, recompose(overrides).optimizer.lr, overrides, [])}"


def _run(words: list[str], kills: Path | None = None) -> tuple[dict[str, Any], int | None]:
    """Runs ftlab to its end; kills the job in a folder once it has saved a checkpoint."""
    began, killed_at = time.time(), None
    with subprocess.Popen([sys.executable, "-m", "ftlab", *words]) as process:
        while process.poll() is None:
            time.sleep(0.2)
            saved = [] if kills is None or killed_at else sorted(kills.glob("checkpoints/step-*"))
            if saved and (pid := _process_of(process.pid, kills / "console.log")):  # type: ignore[operator]
                os.kill(pid, signal.SIGKILL)
                killed_at = int(saved[-1].name.partition("-")[2])
    return {"exit_code": process.returncode, "seconds": round(time.time() - began)}, killed_at


def _process_of(launcher: int, log: Path) -> int | None:
    """The process, among those that the launcher started, whose output goes to a file."""
    for child in psutil.Process(launcher).children():
        try:
            if Path(f"/proc/{child.pid}/fd/1").resolve() == log.resolve():
                return int(child.pid)
        except OSError:
            continue
    return None


def _record(sweep: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((sweep / "sweep.json").read_text(encoding="utf-8"))
    return record


def _pairs(now: dict[str, Any], before: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    by_number = {job["num"]: job for job in before["jobs"]}
    return [(job, by_number[job["num"]]) for job in now["jobs"]]


def _ended(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("num", "status", "exit", "error")
    told = [{key: job[key] for key in kept} for job in record["jobs"] if job["status"] != "done"]
    return {"status": record["status"], "counts": Counter(job["status"] for job in record["jobs"]), "not_done": told}


def _attempts(folder: Path) -> dict[str, Any]:
    """How the killed job went on: its attempts and the steps of each, as its metrics file has them."""
    lines = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]
    steps: dict[str, list[int]] = {}
    for row in rows:
        steps.setdefault(row["attempt"], []).append(int(row["step"]))
    return {attempt: {"from_step": min(found), "to_step": max(found)} for attempt, found in steps.items()}


if __name__ == "__main__":
    main()
