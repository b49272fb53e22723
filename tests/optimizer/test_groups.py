"""Which weights decay, and which learn faster."""

import pytest
import torch
from torch import nn

from ftlab.optimizer.groups import parameter_groups
from ftlab.problem import InputError


def _parameters() -> dict[str, nn.Parameter]:
    shapes = {
        "layer.q_proj.lora_A.weight": (4, 16),
        "layer.q_proj.lora_B.weight": (16, 4),
        "layer.rank_one.lora_A.weight": (1, 16),
        "layer.k_proj.ia3_l": (16, 1),
        "layer.norm.weight": (16,),
        "layer.q_proj.bias": (16,),
        "layer.frozen.weight": (16, 16),
    }
    parameters = {name: nn.Parameter(torch.ones(shape)) for name, shape in shapes.items()}
    parameters["layer.frozen.weight"].requires_grad = False
    return parameters


def _settings(**changes: float) -> dict[str, tuple[float, float | None]]:
    parameters = _parameters()
    groups = parameter_groups(parameters.items(), lr=0.1, lr_multipliers=changes)
    return {
        name: (group["lr"], group.get("weight_decay"))
        for group in groups
        for name, parameter in parameters.items()
        if any(member is parameter for member in group["params"])
    }


def test_only_matrices_decay() -> None:
    decay = {name: setting[1] for name, setting in _settings().items()}
    assert decay == {
        "layer.q_proj.lora_A.weight": None,
        "layer.q_proj.lora_B.weight": None,
        "layer.rank_one.lora_A.weight": None,
        "layer.k_proj.ia3_l": 0.0,
        "layer.norm.weight": 0.0,
        "layer.q_proj.bias": 0.0,
    }


def test_multipliers_raise_the_rate_of_the_parameters_they_name() -> None:
    rates = {name: setting[0] for name, setting in _settings(lora_B=16, q_proj=2).items()}
    assert rates["layer.q_proj.lora_B.weight"] == pytest.approx(3.2)
    assert rates["layer.q_proj.lora_A.weight"] == pytest.approx(0.2)
    assert rates["layer.rank_one.lora_A.weight"] == pytest.approx(0.1)


def test_groups_keep_every_trainable_parameter_once() -> None:
    members = [p for group in parameter_groups(_parameters().items(), lr=0.1) for p in group["params"]]
    assert len(members) == len({id(p) for p in members}) == 6
    assert all(p.requires_grad for p in members)


def test_multiplier_that_names_nothing_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"method\.lr_multipliers.lora_C: must be part of a trainable parameter's name"
    ):
        _settings(lora_C=2)


def test_all_frozen_is_refused() -> None:
    with pytest.raises(InputError, match="must leave at least one parameter trainable, but all are frozen"):
        parameter_groups([], lr=0.1)
