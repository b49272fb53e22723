"""A resumed run is the unbroken one: Lightning's counters, the states of joined tensors, budget and recomputation."""

from functools import partial
from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
from lightning.pytorch import Callback, Trainer

from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.kernels.recompute import Recompute
from ftlab.training.module import TrainModule
from tests.training.toy import run_toy, toy_model, toy_module

COUNTERS = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.state_dict")


class Counters(Callback):
    """Lightning's counters at the start of each batch."""

    def __init__(self) -> None:
        self.at: dict[int, Any] = {}

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        state = trainer.fit_loop.state_dict()
        updates = state["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]
        self.at[trainer.global_step] = {name: state[name] for name in COUNTERS} | {"updates": updates}


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])  # a validation follows on 2 and 4
def test_counters_of_a_resumed_run_are_those_of_the_unbroken_one(step: int, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    keep_all = Checkpoint(folder=folder, every_steps=1, eval_every_steps=2, keep=9)
    run_toy(tmp_path, toy_module(toy_model()), callbacks=[keep_all, unbroken := Counters()])
    start = folder / f"step-{step:06d}"
    _, trainer = run_toy(
        tmp_path, toy_module(toy_model()), callbacks=[resumed := Counters()], start_step=step, checkpoint=start
    )
    assert resumed.at == {at: counters for at, counters in unbroken.at.items() if at >= step}
    assert trainer.fit_loop.epoch_loop._batches_that_stepped == trainer.global_step == 6


@pytest.mark.parametrize("optimizer", ["PagedAdamW32bit", "AdamW8bit"])
def test_joined_tensors_go_on_bit_for_bit(optimizer: str, tmp_path: Path) -> None:
    def module() -> TrainModule:
        factory = partial(getattr(bitsandbytes.optim, optimizer), lr=1e-2, weight_decay=0.1)
        model = toy_model(hidden_size=64, intermediate_size=96)
        return toy_module(model, optimizer=factory, lr_multipliers={"mlp": 4.0})

    folder = tmp_path / "checkpoints"
    keep_all = Checkpoint(folder=folder, every_steps=1, eval_every_steps=2, keep=9)
    unbroken, first = run_toy(tmp_path, module(), callbacks=[keep_all])
    assert len(first.optimizers[0].joined) > 1  # type: ignore[attr-defined]
    resumed, _ = run_toy(tmp_path, module(), start_step=3, checkpoint=folder / "step-000003")
    assert resumed.losses == {step: loss for step, loss in unbroken.losses.items() if step > 3}
    assert resumed.norms == {step: norm for step, norm in unbroken.norms.items() if step > 3}


def test_budget_and_recomputation_that_a_run_came_down_to_stay(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    module = toy_module(toy_model())
    module.runner.micro_batch_tokens = 16
    module.ladder.set(Recompute(norms=True, mlp=True, layers=1))
    run_toy(tmp_path, module, callbacks=[Checkpoint(folder=folder, every_steps=3, eval_every_steps=2, keep=9)])
    again = toy_module(toy_model())
    run_toy(tmp_path, again, start_step=3, checkpoint=folder / "step-000003")
    assert again.runner.micro_batch_tokens == 16
    assert again.ladder.level == Recompute(norms=True, mlp=True, layers=1)
