"""A run killed at any moment, and started again as often as it takes, gives the numbers of one never killed."""

import multiprocessing
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ftlab.callbacks.checkpoint_folder import find_checkpoint, whole
from tests.training import kill_driver

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.training.kill_driver"])  # the imports are most of a run's time


def _start(folder: Path, *, inside_save_of: tuple[int, str] | None = None) -> BaseProcess:
    folder.mkdir(exist_ok=True)
    process = PROCESSES.Process(target=kill_driver.main, args=(folder, inside_save_of))
    process.start()
    return process


def _finish(process: BaseProcess, expected: int) -> None:
    process.join(timeout=300)
    assert process.exitcode == expected


def _numbers(folder: Path) -> dict[tuple[str, int], str]:
    """The number of each step, as the hex of a float; a step that ran twice must have given it twice."""
    numbers: dict[tuple[str, int], str] = {}
    path = folder / "losses.txt"
    for line in path.read_text().splitlines() if path.exists() else ():
        kind, step, value = line.split()
        assert numbers.setdefault((kind, int(step)), value) == value, f"{kind} {step} differs between two attempts"
    return numbers


def _wait_for_lines(process: BaseProcess, folder: Path, lines: int) -> None:
    while process.is_alive() and len(_numbers(folder)) < lines:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], str]:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    _finish(_start(folder), 0)
    numbers = _numbers(folder)
    assert len(numbers) == 60 + 11
    return numbers


def test_run_killed_at_random_moments_gives_the_same_losses(
    unbroken: dict[tuple[str, int], str], tmp_path: Path
) -> None:
    folder, dice = tmp_path / "run", random.Random(4)
    for _ in range(4):
        process = _start(folder)
        _wait_for_lines(process, folder, len(_numbers(folder)) + dice.randint(3, 15))
        time.sleep(dice.uniform(0, 0.03))
        process.kill()
        process.join()
    killed = _numbers(folder)
    assert 0 < len(killed) < len(unbroken)
    _finish(_start(folder), 0)
    assert _numbers(folder) == unbroken


@pytest.mark.parametrize("name", ["trainable.safetensors", "training.pt"])
def test_run_killed_inside_a_save_gives_the_same_losses(
    name: str, unbroken: dict[tuple[str, int], str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    _finish(_start(folder, inside_save_of=(12, name)), -signal.SIGKILL)
    assert (folder / "checkpoints" / ".unfinished-step-000012").exists()
    assert find_checkpoint(folder / "checkpoints").step == 10
    _finish(_start(folder), 0)
    assert _numbers(folder) == unbroken
    assert not list((folder / "checkpoints").glob(".*"))
    assert len(whole(folder / "checkpoints")) <= 3


def test_terminated_run_saves_and_ends_cleanly(unbroken: dict[tuple[str, int], str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = _start(folder)
    _wait_for_lines(process, folder, 9)
    process.terminate()
    _finish(process, 130)
    done = max(step for kind, step in _numbers(folder) if kind == "train")
    assert find_checkpoint(folder / "checkpoints").step == done
    _finish(_start(folder), 0)
    assert _numbers(folder) == unbroken
