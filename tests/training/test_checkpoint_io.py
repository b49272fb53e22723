"""Lightning's counters, made anew from the number of steps."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer

from ftlab.callbacks.checkpoint import Checkpoint
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
