"""Memory of a step and of the run."""

from pathlib import Path

import psutil
import pytest
import torch

from ftlab import metric
from ftlab.callbacks.memory import MemoryLog, peak_resident_bytes
from tests.callbacks.watched import watch


def test_resident_memory_of_every_step_is_logged_on_a_cpu(tmp_path: Path) -> None:
    log = MemoryLog()
    rows, _, _ = watch(tmp_path, [log], steps=3)
    found = [row[metric.MEMORY_PEAK_BYTES] for row in rows if metric.MEMORY_PEAK_BYTES in row]
    assert len(found) == 3
    now = psutil.Process().memory_info().rss
    assert all(now / 2 < value < now * 2 for value in found)
    assert log.peak_bytes >= max(found)
    assert log.peak_reserved_bytes == 0


def test_peak_keeps_what_was_freed() -> None:
    before = peak_resident_bytes()
    room = before - psutil.Process().memory_info().rss
    held = b"x" * (room + 200_000_000)
    del held
    assert peak_resident_bytes() - before == pytest.approx(200_000_000, rel=0.2)


def test_peak_is_at_least_what_is_held_now() -> None:
    assert peak_resident_bytes() >= psutil.Process().memory_info().rss * 0.9


@pytest.mark.gpu
def test_peak_of_a_step_is_its_own_and_the_run_keeps_the_highest() -> None:
    class Trainer:
        is_global_zero, loggers, global_step = True, (), 0

    class Module:
        device = torch.device("cuda")

    log = MemoryLog()
    held = torch.empty(100_000_000, dtype=torch.uint8, device="cuda")
    del held
    log.on_train_batch_start(Trainer(), Module(), None, 0)
    assert log.peak_bytes >= 100_000_000
    assert torch.cuda.max_memory_allocated() < 100_000_000
    log.on_train_batch_end(Trainer(), Module(), None, None, 0)
    assert log.peak_bytes >= 100_000_000
    assert log.peak_reserved_bytes >= 100_000_000
