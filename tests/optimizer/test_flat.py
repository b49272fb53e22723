"""Joined tensors are updated as they would be one by one, bit for bit."""

from functools import partial
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from torch import nn

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
    assert optimizer.step(lambda: _gradients(parameters, 0) or 5.0) == 5.0
    assert all(not torch.equal(left, right) for left, (_, right) in zip(before, parameters, strict=True))


def test_without_gradients_nothing_moves() -> None:
    parameters = _parameters()
    optimizer = build_optimizer(OPTIMIZERS[0], parameters)
    before = [parameter.detach().clone() for _, parameter in parameters]
    optimizer.step()
    assert all(torch.equal(left, right) for left, (_, right) in zip(before, parameters, strict=True))
    assert any(LEAST <= parameter.numel() < MOST for _, parameter in parameters)
