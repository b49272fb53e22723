"""A real out-of-memory: the share of the card that the process may use is capped below what a step asks for."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from ftlab.data.row import EncodedRow
from ftlab.training.module import TrainModule
from ftlab.training.step import OomEvent, RowTooLargeError
from ftlab.training.update import UpdateTooLargeError
from tests.training.toy import Recorder, run_toy, toy_model, toy_module, toy_rows

pytestmark = pytest.mark.gpu

BUDGET = 16_384


@pytest.fixture(autouse=True)
def _uncapped() -> Iterator[None]:
    torch.cuda.empty_cache()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def _short_rows() -> list[EncodedRow]:
    return toy_rows(56, longest=200)


def _rows() -> list[EncodedRow]:
    """A few very long rows among short ones."""
    return [*_short_rows(), *toy_rows(8, seed=1, first_id=500, shortest=1800, longest=2048)]


def _run(folder: Path, **changes: Any) -> tuple[Recorder, TrainModule, list[OomEvent]]:
    model = toy_model(hidden_size=256, intermediate_size=1024, num_attention_heads=4, vocab_size=8192)
    return _train(folder, model, _rows(), micro_batch_tokens=BUDGET, **changes)


def _train(
    folder: Path, model: nn.Module, rows: Sequence[EncodedRow], **changes: Any
) -> tuple[Recorder, TrainModule, list[OomEvent]]:
    module = toy_module(model, **changes)
    recorder, _ = run_toy(folder, module, rows=rows, batch_rows=32, accelerator="gpu", precision="bf16-mixed")
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


def test_rehearsal_finds_the_budget_before_the_first_step(tmp_path: Path) -> None:
    torch.cuda.reset_peak_memory_stats()
    free, _, _ = _run(tmp_path / "free")
    _cap(0.6)
    capped, _, events = _run(tmp_path / "capped", probe=sorted(_rows(), key=len)[-32:])
    assert {event.phase for event in events} == {"probe"}
    assert capped.rows == free.rows
    assert list(capped.losses.values()) == pytest.approx(list(free.losses.values()), rel=2e-3)


def _full(folder: Path, optimizer: Any) -> float:
    """Trains 110 million float32 weights for four steps; returns the seconds of the last three."""
    _collect()
    model = toy_model(hidden_size=1024, intermediate_size=4096, num_hidden_layers=6, num_attention_heads=8)
    ends: list[float] = []

    class Clock(Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            torch.cuda.synchronize()
            ends.append(time.perf_counter())

    module = toy_module(model, optimizer=partial(optimizer, lr=1e-4), total_steps=4)
    run_toy(folder, module, steps=4, rows=toy_rows(32), accelerator="gpu", callbacks=[Clock()])
    return ends[-1] - ends[0]


def test_paged_states_let_a_run_finish_where_plain_ones_do_not_fit(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    import bitsandbytes

    torch.cuda.reset_peak_memory_stats()
    plain_s = _full(tmp_path / "free", torch.optim.AdamW)
    _cap(0.7)  # weights and gradients are half of the peak, the states the other half
    with pytest.raises(UpdateTooLargeError, match="paged-adamw-8bit"):
        _full(tmp_path / "plain", torch.optim.AdamW)
    paged_s = _full(tmp_path / "paged", bitsandbytes.optim.PagedAdamW32bit)
    record_property("paged states, times the time of plain ones", round(paged_s / plain_s, 2))


def test_row_that_can_not_fit_ends_with_advice(tmp_path: Path) -> None:
    shape = {"hidden_size": 128, "intermediate_size": 2048}  # small weights, large activations
    _collect()
    torch.cuda.reset_peak_memory_stats()
    _train(tmp_path / "free", toy_model(**shape), _short_rows(), micro_batch_tokens=200)
    _cap(1.1)  # room for one short row at a time, not for one that is ten times as long
    with pytest.raises(RowTooLargeError, match=r"Lower `training\.max_row_tokens`"):
        _train(tmp_path / "capped", toy_model(**shape), _rows(), micro_batch_tokens=BUDGET)


def _collect() -> None:
    """A run that ended in an error may still be held by its traceback."""
    gc.collect()
    torch.cuda.empty_cache()
