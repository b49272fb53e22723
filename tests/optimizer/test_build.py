"""Optimizers from partials, on a CPU."""

import logging
from functools import partial
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from torch import nn
from transformers.optimization import Adafactor

from ftlab.optimizer.build import build_optimizer, state_bytes_per_parameter


def _parameters() -> list[tuple[str, nn.Parameter]]:
    return [("a.weight", nn.Parameter(torch.ones(128, 64))), ("a.bias", nn.Parameter(torch.ones(64)))]


OPTIMIZERS = [
    partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5),
    partial(torch.optim.SGD, lr=0.1, weight_decay=0.5),
    partial(Adafactor, lr=0.1, weight_decay=0.5, scale_parameter=False, relative_step=False, warmup_init=False),
    partial(bnb.optim.AdamW8bit, lr=0.1, weight_decay=0.5),
    partial(bnb.optim.Lion8bit, lr=0.1, weight_decay=0.5),
    partial(bnb.optim.PagedAdamW32bit, lr=0.1, weight_decay=0.5),
    partial(bnb.optim.PagedAdamW8bit, lr=0.1, weight_decay=0.5),
]


@pytest.mark.parametrize("factory", OPTIMIZERS, ids=lambda factory: factory.func.__name__)
def test_every_optimizer_decays_matrices_only_and_passes_over_what_has_no_gradient(factory: "partial[Any]") -> None:
    parameters = _parameters()
    optimizer = build_optimizer(factory, parameters)
    optimizer.step()
    assert all(bool((parameter == 1).all()) for _, parameter in parameters)  # no gradient: no update, no decay
    for _, parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    weight, bias = (parameter for _, parameter in parameters)
    assert bool((weight < 1).all())
    assert bool((bias == 1).all())


@pytest.mark.parametrize("factory", OPTIMIZERS, ids=lambda factory: factory.func.__name__)
def test_optimizer_state_survives_a_plain_data_file(factory: "partial[Any]", tmp_path: Any) -> None:
    optimizer, again = build_optimizer(factory, one := _parameters()), build_optimizer(factory, two := _parameters())
    for _ in range(2):
        _step(optimizer, one, 0.3)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    for (_, p), (_, q) in zip(one, two, strict=True):
        q.data.copy_(p.data)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    _step(optimizer, one, -0.1)
    _step(again, two, -0.1)
    assert all(torch.equal(p, q) for (_, p), (_, q) in zip(one, two, strict=True))


def _step(optimizer: torch.optim.Optimizer, parameters: list[tuple[str, nn.Parameter]], gradient: float) -> None:
    for _, parameter in parameters:
        parameter.grad = torch.full_like(parameter, gradient)
    optimizer.step()


def test_paging_on_a_cpu_is_said_once_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        optimizer = build_optimizer(partial(bnb.optim.PagedAdamW32bit, lr=0.1), parameters := _parameters())
        for _ in range(2):
            _step(optimizer, parameters, 0.1)
    said = [record.getMessage() for record in caplog.records if record.name == "ftlab.optimizer.build"]
    assert said == ["PagedAdamW32bit pages on a CUDA device only; here its state stays in memory."]


@pytest.mark.parametrize(("asked", "fused"), [({}, True), ({"fused": False}, False)])
def test_adamw_is_fused_unless_the_configuration_says_otherwise(asked: dict[str, bool], fused: bool) -> None:
    optimizer = build_optimizer(partial(torch.optim.AdamW, lr=0.1, **asked), _parameters())
    assert optimizer.defaults["fused"] is fused


def test_fused_is_left_out_under_a_gradient_scaler() -> None:
    optimizer = build_optimizer(partial(torch.optim.AdamW, lr=0.1), _parameters(), fused=False)
    assert not optimizer.defaults["fused"]


@pytest.mark.parametrize("factory", OPTIMIZERS, ids=lambda factory: factory.func.__name__)
def test_state_bytes_are_an_upper_estimate_near_the_truth(factory: "partial[Any]") -> None:
    parameters = [("weight", nn.Parameter(torch.ones(256, 128)))]
    optimizer = build_optimizer(factory, parameters)
    _step(optimizer, parameters, 0.1)
    state = optimizer.state[parameters[0][1]].values()
    real = sum(t.numel() * t.element_size() for t in state if isinstance(t, torch.Tensor) and t.numel() > 1)
    estimate = state_bytes_per_parameter(factory) * 256 * 128
    assert real <= estimate * 1.1 + 4096
    assert real >= estimate * 0.25
