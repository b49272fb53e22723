"""Two ranks (gloo, on the CPU) do what one process does."""

import multiprocessing
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from ftlab.training import rank
from tests.training import rank_driver

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.training.rank_driver", "tests.training.kill_driver"])


def _on_two_ranks(case: str, folder: Path) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [PROCESSES.Process(target=rank_driver.main, args=(case, folder, number, port)) for number in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    return [torch.load(folder / f"rank{number}.pt", weights_only=True) for number in (0, 1)]


@pytest.mark.parametrize(
    "case", ["plain", "fewer rows than ranks", "out of memory on one rank", "unused weight, and a term of the method"]
)
def test_two_ranks_equal_one(case: str, tmp_path: Path) -> None:
    alone = rank_driver.run(case, tmp_path / "alone", None)
    first, second = _on_two_ranks(case, tmp_path)
    for name, tensor in first["weights"].items():
        assert torch.equal(second["weights"][name], tensor)
        torch.testing.assert_close(tensor, alone["weights"][name], rtol=1e-3, atol=1e-5)
    for ours in (first, second):
        assert ours["losses"] == pytest.approx(alone["losses"], rel=1e-4)
        assert ours["norms"] == pytest.approx(alone["norms"], rel=1e-3)
        assert ours["validations"] == pytest.approx(alone["validations"], rel=1e-4)
        assert ours["tokens"] == alone["tokens"]
    for step, rows in alone["rows"].items():
        assert sorted(first["rows"][step] + second["rows"][step]) == sorted(rows)
    if case == "out of memory on one rank":
        assert (first["budget"], second["budget"] <= 20) == (64, True)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3


def test_row_that_fits_on_no_rank_ends_both(tmp_path: Path) -> None:
    first, second = _on_two_ranks("never fits on one rank", tmp_path)
    assert "Out of memory with a single row in the micro-batch" in first["error"]
    assert "Out of memory with a single row in the micro-batch" in second["error"]


def test_buckets_keep_dtype_order_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank, "BUCKET_BYTES", 40)
    tensors = [torch.zeros(4), torch.zeros(5), torch.zeros(6), torch.zeros(2, dtype=torch.bfloat16), torch.zeros(90)]
    assert [[t.numel() for t in bucket] for bucket in rank._buckets(tensors)] == [[4, 5], [6], [2], [90]]
