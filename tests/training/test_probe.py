"""The rehearsal of the largest step: it finds the budget, and leaves no trace."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ftlab.data.row import MicroBatch
from ftlab.training.loss import sum_nll
from ftlab.training.probe import largest_step
from tests.training.toy import run_toy, toy_model, toy_module, toy_rows


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_rehearsed_run_is_the_run_without(tmp_path: Path, dropout: float) -> None:
    plain, _ = run_toy(tmp_path / "a", toy_module(toy_model(dropout=dropout)))
    module = toy_module(toy_model(dropout=dropout), probe=toy_rows(8, longest=14), probe_bytes=1000)
    rehearsed, _ = run_toy(tmp_path / "b", module)
    assert rehearsed.losses == plain.losses
    assert rehearsed.norms == plain.norms
    assert rehearsed.validations == plain.validations


def test_rehearsal_lowers_the_budget_before_the_first_step(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def scarce(model: nn.Module, micro: MicroBatch) -> Tensor:
        if model.training and micro.input_ids.numel() > 30:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        seen.append(micro.row_ids)
        return sum_nll(model, micro)

    module = toy_module(toy_model(), nll=scarce, probe=toy_rows(8, longest=14, first_id=500))
    recorder, _ = run_toy(tmp_path, module)
    assert {event.phase for event in recorder.oom_events} == {"probe"}  # no step failed after it
    assert {event.step for event in recorder.oom_events} == {1}
    assert module.runner.micro_batch_tokens <= 30
    assert any(500 in rows for rows in seen)
    assert not any(set(range(500, 508)) & set(rows) for rows in recorder.rows.values())  # they were trained on never


def test_largest_step_is_that_with_the_fullest_micro_batch_then_the_longest_row() -> None:
    assert largest_step([[5, 5], [9, 9], [30]], budget=64) == 2
    assert largest_step([[40, 40], [50, 20], [5] * 40], budget=64) == 1
    assert largest_step([[100], [60, 60]], budget=64) == 0


def test_states_that_a_resumed_run_has_already_are_not_held_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    monkeypatch.setattr("ftlab.training.probe._held", lambda count, device: held.append(count))
    module = toy_module(toy_model(), probe=toy_rows(8), probe_bytes=1000)
    _, trainer = run_toy(tmp_path, module)
    trainer.save_checkpoint(tmp_path / "saved.ckpt")
    again = toy_module(toy_model(), probe=toy_rows(8), probe_bytes=1000)
    run_toy(tmp_path, again, start_step=trainer.global_step, checkpoint=tmp_path / "saved.ckpt")
    assert held == [1000, 0]
