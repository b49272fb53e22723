"""AdaLoRA's rank schedule, driven by a run's steps and kept by its checkpoints."""

from pathlib import Path

import pytest
import torch
from peft import AdaLoraConfig
from torch import Tensor, nn

from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.callbacks.checkpoint_folder import find_checkpoint
from ftlab.data.row import MicroBatch
from ftlab.method.peft import PeftMethod
from ftlab.optimizer.schedule import build_schedule
from ftlab.training.loss import sum_nll
from tests.training.toy import Recorder, run_toy, toy_model, toy_module

STEPS = 10


def _run(folder: Path, *, breaks_at: int | None = None) -> tuple[Recorder, dict[str, list[bool]]]:
    config = AdaLoraConfig(
        init_r=4, target_r=2, tinit=10, tfinal=30, deltaT=10, total_step=100, target_modules="all-linear"
    )
    method = PeftMethod(peft_config=config, name="adalora", total_steps=STEPS)
    torch.manual_seed(5)
    model = method.apply(toy_model())
    passes = iter(range(1000))

    def nll(model: nn.Module, micro: MicroBatch) -> Tensor:
        if model.training and next(passes) == breaks_at:
            raise KeyError("broken off")
        return sum_nll(model, micro)

    module = toy_module(
        model,
        method=method,
        nll=nll,
        total_steps=STEPS,
        schedule=build_schedule("constant", total_steps=STEPS),
        micro_batch_tokens=10_000,
    )
    found = find_checkpoint(folder / "checkpoints")
    recorder, _ = run_toy(
        folder,
        module,
        steps=STEPS,
        callbacks=[Checkpoint(folder=folder / "checkpoints", every_steps=1, eval_every_steps=2, keep=1)],
        start_step=found.step if found else 0,
        checkpoint=found.folder if found else None,
    )
    return recorder, model.peft_config["default"].rank_pattern


def test_ranks_fall_to_the_target(tmp_path: Path) -> None:
    _, pattern = _run(tmp_path)
    kept = [sum(directions) for directions in pattern.values()]
    assert sum(kept) == 2 * len(kept)
    assert max(kept) > 2  # some layers keep more than others


@pytest.mark.parametrize("breaks_at", [2, 4, 7, 9])
def test_broken_off_run_cuts_the_same_ranks(breaks_at: int, tmp_path: Path) -> None:
    unbroken, pattern = _run(tmp_path / "unbroken")
    with pytest.raises(KeyError, match="broken off"):
        _run(tmp_path / "broken", breaks_at=breaks_at)
    resumed, resumed_pattern = _run(tmp_path / "broken")
    assert resumed.losses == {step: loss for step, loss in unbroken.losses.items() if step > breaks_at}
    assert resumed_pattern == pattern
