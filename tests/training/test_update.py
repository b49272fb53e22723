"""The update runs again where memory ended in it, and never twice on the same weight."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from ftlab.training.update import HalfUpdateError, Update, UpdateTooLargeError, make_states
from tests.training.toy import run_toy, toy_model, toy_module

CPU = torch.device("cpu")


def _weights() -> list[nn.Parameter]:
    weights = [nn.Parameter(torch.full((4,), float(value))) for value in (1, 2, 3)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    return weights


class Scarce(torch.optim.AdamW):
    """Runs out of memory while it makes the state of a weight, as often as told."""

    failures = 1
    after_change = False

    def _init_group(self, group: Any, params: Any, grads: Any, first: Any, second: Any, most: Any, steps: Any) -> Any:
        if type(self).failures:
            type(self).failures -= 1
            weight = self.param_groups[-1]["params"][0]
            self.state[weight]["step"] = torch.zeros(())  # half of what it needs
            if self.after_change:
                with torch.no_grad():
                    weight.add_(1)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super()._init_group(group, params, grads, first, second, most, steps)


def _scarce(failures: int, *, after_change: bool = False) -> type[Scarce]:
    return type("Scarce", (Scarce,), {"failures": failures, "after_change": after_change})


def _step(update: Update, optimizer: Optimizer) -> Callable[[], None]:
    def step() -> None:
        update.ready()
        optimizer.step()

    return step


def test_update_that_ran_out_of_memory_runs_again_with_whole_states() -> None:
    plain, scarce = _weights(), _weights()
    torch.optim.AdamW(plain, lr=0.1).step()
    optimizer = _scarce(1)(scarce, lr=0.1)
    update = Update(optimizer, scarce, CPU)
    assert update.run(_step(update, optimizer)) == (0, 0)
    assert all(torch.equal(a, b) for a, b in zip(plain, scarce, strict=True))
    assert all("exp_avg" in optimizer.state[weight] for weight in scarce)


def test_update_that_fits_is_run_once() -> None:
    weights = _weights()
    optimizer = _scarce(0)(weights, lr=0.1)
    update = Update(optimizer, weights, CPU)
    assert update.run(_step(update, optimizer)) is None


def test_update_that_never_fits_ends_with_advice() -> None:
    weights = _weights()
    optimizer = _scarce(2)(weights, lr=0.1)
    update = Update(optimizer, weights, CPU)
    with pytest.raises(UpdateTooLargeError, match="paged-adamw-8bit"):
        update.run(_step(update, optimizer))
    assert [float(weight[0].detach()) for weight in weights] == [1, 2, 3]


def test_half_an_update_is_not_run_again() -> None:
    weights = _weights()
    optimizer = _scarce(1, after_change=True)(weights, lr=0.1)
    update = Update(optimizer, weights, CPU)
    with pytest.raises(HalfUpdateError, match="last checkpoint"):
        update.run(_step(update, optimizer))


@pytest.mark.parametrize("joined", [False, True])
def test_half_an_update_by_bitsandbytes_is_not_run_again(joined: bool) -> None:
    import bitsandbytes

    from ftlab.optimizer.flat import flattened

    class Late(bitsandbytes.optim.AdamW32bit):  # type: ignore[misc]
        """Runs out of memory behind the first tensor; its kernels change weights unseen by PyTorch."""

        def update_step(self, group: Any, p: Any, gindex: int, pindex: int) -> None:
            if (gindex, pindex) != (0, 0):
                raise torch.OutOfMemoryError("CUDA out of memory")
            super().update_step(group, p, gindex, pindex)

    weights = [nn.Parameter(torch.ones(count)) for count in (4096, 4096, 8)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer = (flattened(Late) if joined else Late)([{"params": weights}], lr=0.1)
    update = Update(optimizer, weights, CPU)
    with pytest.raises(HalfUpdateError, match="last checkpoint"):
        update.run(_step(update, optimizer))
    assert float(weights[0][0].detach()) == pytest.approx(0.9, abs=0.01)  # once, not twice


def test_failure_before_the_update_is_left_to_the_step() -> None:
    weights = _weights()
    optimizer = torch.optim.AdamW(weights)
    update = Update(optimizer, weights, CPU)

    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        update.run(step)


@pytest.mark.parametrize("make", [torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad, torch.optim.RMSprop])
def test_states_of_torch_are_made_before_the_first_change(make: Any) -> None:
    early, plain = _weights(), _weights()
    optimizer, other = make(early, lr=0.1), make(plain, lr=0.1)
    make_states(optimizer)
    assert [float(weight[0].detach()) for weight in early] == [1, 2, 3]
    optimizer.step()
    other.step()
    assert all(torch.equal(a, b) for a, b in zip(early, plain, strict=True))


def test_failure_in_a_later_group_changes_no_weight() -> None:
    weights = _weights()
    groups = [{"params": weights[:1]}, {"params": weights[1:]}]
    optimizer = _scarce(2)(groups, lr=0.1, fused=True)
    update = Update(optimizer, weights, CPU)
    with pytest.raises(UpdateTooLargeError):
        update.run(_step(update, optimizer))
    assert [float(weight[0].detach()) for weight in weights] == [1, 2, 3]


def test_states_of_bitsandbytes_are_made_before_the_first_change() -> None:
    import bitsandbytes

    weights = _weights()
    optimizer = bitsandbytes.optim.AdamW8bit(weights, lr=0.1)
    make_states(optimizer)
    assert all("state1" in optimizer.state[weight] for weight in weights)
    assert [float(weight[0].detach()) for weight in weights] == [1, 2, 3]
    optimizer.step()
    assert float(weights[0][0].detach()) != 1


def test_states_of_joined_tensors_are_made_before_the_first_change() -> None:
    import bitsandbytes

    from ftlab.optimizer.flat import flattened

    weights = [nn.Parameter(torch.ones(4096)) for _ in range(3)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer = flattened(bitsandbytes.optim.AdamW32bit)([{"params": weights}], lr=0.1)
    make_states(optimizer)
    (group,) = optimizer.param_groups
    assert all("state1" in optimizer.state[whole] for whole in group["params"])
    assert all(bool((weight == 1).all()) for weight in weights)
    optimizer.step()
    assert all(bool((weight != 1).all()) for weight in weights)


def test_run_with_a_scarce_optimizer_gives_the_losses_of_an_unbroken_one(tmp_path: Path) -> None:
    plain, _ = run_toy(tmp_path / "a", toy_module(toy_model()))
    module = toy_module(toy_model(), optimizer=partial(_scarce(1), lr=1e-2, weight_decay=0.1))
    scarce, _ = run_toy(tmp_path / "b", module)
    assert [(event.phase, event.step) for event in scarce.oom_events] == [("update", 1)]
    assert scarce.losses == plain.losses
    assert scarce.norms == plain.norms
