"""Joined tensors are updated as they would be one by one, bit for bit."""

import io
from functools import partial
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from lightning.fabric.utilities.optimizer import _optimizer_to_device
from torch import Tensor, nn

from ftlab.optimizer.build import build_optimizer
from ftlab.optimizer.flat import LEAST, MOST

SHAPES = [(16, 300), (300, 16), (70, 65), (8192,), (64,), (16, 2048), (33, 129), (MOST // 64, 64)]
"""Below `LEAST`, of odd sizes, and one that is too large to be joined."""

OPTIMIZERS = [
    partial(bnb.optim.PagedAdamW32bit, lr=0.01, weight_decay=0.1),
    partial(bnb.optim.PagedAdamW8bit, lr=0.01, weight_decay=0.1),
    partial(bnb.optim.AdamW8bit, lr=0.01),
    partial(bnb.optim.Lion8bit, lr=0.01, weight_decay=0.1),
]


def _parameters() -> list[tuple[str, nn.Parameter]]:
    generator = torch.Generator().manual_seed(3)
    return [(f"{i}.weight", nn.Parameter(torch.randn(s, generator=generator))) for i, s in enumerate(SHAPES)]


def _gradients(parameters: list[tuple[str, nn.Parameter]], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for _, parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("factory", OPTIMIZERS, ids=lambda factory: factory.func.__name__)
def test_joined_equals_one_by_one(factory: "partial[Any]") -> None:
    joined, alone = _parameters(), _parameters()
    flat = build_optimizer(factory, joined, lr_multipliers={"1.weight": 4.0})
    assert len([p for group in flat.param_groups for p in group["params"]]) < len(SHAPES)
    groups = [
        {"params": [p], "lr": 0.04 if name == "1.weight" else 0.01} | ({} if p.ndim > 1 else {"weight_decay": 0.0})
        for name, p in alone
    ]
    plain = factory(groups)
    if getattr(plain, "is_paged", False):
        plain.is_paged = False
    for step in range(4):
        _gradients(joined, step)
        _gradients(alone, step)
        flat.step()
        plain.step()
    for (name, left), (_, right) in zip(joined, alone, strict=True):
        assert torch.equal(left, right), name


def test_a_closure_makes_the_gradients_of_the_same_step() -> None:
    parameters = _parameters()
    before = [parameter.detach().clone() for _, parameter in parameters]
    optimizer = build_optimizer(OPTIMIZERS[0], parameters)

    def closure() -> float:
        _gradients(parameters, 0)
        return 5.0

    assert optimizer.step(closure) == 5.0
    assert all(not torch.equal(left, right) for left, (_, right) in zip(before, parameters, strict=True))


def test_without_gradients_nothing_moves() -> None:
    parameters = _parameters()
    optimizer = build_optimizer(OPTIMIZERS[0], parameters)
    before = [parameter.detach().clone() for _, parameter in parameters]
    optimizer.step()
    assert all(torch.equal(left, right) for left, (_, right) in zip(before, parameters, strict=True))
    assert any(LEAST <= parameter.numel() < MOST for _, parameter in parameters)


def _resumed(optimizer: Any) -> Any:
    """The states as a checkpoint's file gives them back."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


@pytest.mark.parametrize("factory", OPTIMIZERS, ids=lambda factory: factory.func.__name__)
def test_resumed_optimizer_goes_on_bit_for_bit(factory: "partial[Any]") -> None:
    unbroken, broken, later = _parameters(), _parameters(), _parameters()
    left, right = build_optimizer(factory, unbroken), build_optimizer(factory, broken)
    for step in range(2):
        for optimizer, parameters in ((left, unbroken), (right, broken)):
            _gradients(parameters, step)
            optimizer.step()
    again = build_optimizer(factory, later)
    for (_, new), (_, old) in zip(later, broken, strict=True):
        new.data.copy_(old.data)  # into the joined tensor, as a checkpoint's weights are loaded
    again.load_state_dict(_resumed(right))
    for step in range(2, 4):
        for optimizer, parameters in ((left, unbroken), (again, later)):
            _gradients(parameters, step)
            optimizer.step()
    for (name, one), (_, other) in zip(unbroken, later, strict=True):
        assert torch.equal(one, other), name


def test_states_of_a_resumed_run_page_again(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []

    def get_state_buffer(self: Any, parameter: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        place = torch.zeros_like(parameter, dtype=dtype)
        places.append(place.data_ptr())
        return place

    first, later = _parameters(), _parameters()
    optimizer = build_optimizer(OPTIMIZERS[0], first)
    _gradients(first, 0)
    optimizer.step()
    saved = _resumed(optimizer)
    again: Any = build_optimizer(OPTIMIZERS[0], later)
    monkeypatch.setattr(bnb.optim.PagedAdamW32bit, "get_state_buffer", get_state_buffer)
    again.is_paged = True  # as on a GPU
    again.load_state_dict(saved)
    _optimizer_to_device(again, torch.device("meta"))  # Lightning moves all that it finds: here, to where it is lost
    again.settle()
    moments = [state[name] for state in again.state.values() for name in ("state1", "state2")]
    assert sorted(moment.data_ptr() for moment in moments) == sorted(places)
    assert len(places) == len(moments) > 0
    for index, state in enumerate(again.state[p] for group in again.param_groups for p in group["params"]):
        if state:
            assert torch.equal(state["state1"], list(optimizer.state.values())[index]["state1"])
            assert state["step"] == 1
