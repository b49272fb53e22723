"""A real out-of-memory: the share of the card that the process may use is capped below what a step asks for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ftlab.data.row import EncodedRow
from ftlab.training.module import TrainModule
from ftlab.training.step import OomEvent, RowTooLargeError
from tests.training.toy import Recorder, run_toy, toy_model, toy_module, toy_rows

pytestmark = pytest.mark.gpu

BUDGET = 16_384


@pytest.fixture(autouse=True)
def _uncapped() -> Iterator[None]:
    torch.cuda.empty_cache()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def _rows() -> list[EncodedRow]:
    """A few very long rows among short ones."""
    return [*toy_rows(56, longest=200), *toy_rows(8, seed=1, first_id=500, shortest=1800, longest=2048)]


def _run(folder: Path) -> tuple[Recorder, TrainModule, list[OomEvent]]:
    model = toy_model(hidden_size=256, intermediate_size=1024, num_attention_heads=4, vocab_size=8192)
    module = toy_module(model, micro_batch_tokens=BUDGET)
    recorder, _ = run_toy(folder, module, rows=_rows(), batch_rows=32, accelerator="gpu", precision="bf16-mixed")
    return recorder, module, recorder.oom_events


def _cap(share_of_peak: float) -> int:
    """Caps the process at a share of the peak so far, and returns the cap in bytes."""
    cap = int(torch.cuda.max_memory_reserved() * share_of_peak)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(cap / torch.cuda.get_device_properties(0).total_memory)
    return cap


def test_capped_run_finishes_with_the_losses_of_an_uncapped_one(tmp_path: Path) -> None:
    torch.cuda.reset_peak_memory_stats()
    free, _, events = _run(tmp_path / "free")
    assert events == []
    cap = _cap(0.6)
    capped, module, events = _run(tmp_path / "capped")
    assert events
    assert events[0].budget_before == BUDGET
    assert 0 < events[0].allocated <= events[0].reserved <= cap
    assert module.runner.micro_batch_tokens == events[-1].budget_after < BUDGET
    assert capped.rows == free.rows
    assert list(capped.losses.values()) == pytest.approx(list(free.losses.values()), rel=2e-3)


def test_row_that_can_not_fit_ends_with_advice(tmp_path: Path) -> None:
    torch.cuda.reset_peak_memory_stats()
    _run(tmp_path / "free")
    _cap(0.12)
    with pytest.raises((RowTooLargeError, torch.OutOfMemoryError)) as caught:
        _run(tmp_path / "capped")
    assert isinstance(caught.value, RowTooLargeError)
    assert "Lower `training.max_row_tokens`" in str(caught.value)
