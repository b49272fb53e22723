"""Recomputation rises one level at a time, up to all layers."""

import pytest
from torch import nn

from ftlab.kernels.recompute import Recompute, policy_of
from ftlab.training.ladder import Ladder
from tests.training.toy import toy_model


def test_levels_rise_from_none_to_all() -> None:
    ladder = Ladder(toy_model(num_hidden_layers=4))
    assert [ladder.rise() for _ in range(7)] == ["norms", "mlp", "1", "2", "3", "all", None]


def test_model_follows_the_level() -> None:
    model = toy_model(num_hidden_layers=4)
    ladder = Ladder(model, Recompute(norms=True, mlp=True))
    assert ladder.rise() == "1"
    shares = [policy_of(layer) for layer in model.model.layers]
    assert [share.layers for share in shares] == [-1, 0, 0, 0]
    assert all(share.mlp for share in shares)


def test_level_that_lies_between_two_rungs_rises_to_the_next() -> None:
    assert Ladder(toy_model(num_hidden_layers=8), Recompute(True, True, 3)).rise() == "4"
    assert Ladder(toy_model(num_hidden_layers=8), Recompute(layers=8)).rise() is None


def test_resumed_run_keeps_the_higher_of_both_levels() -> None:
    saved = Ladder(toy_model(num_hidden_layers=4), Recompute(True, True, 2)).state()
    low, high = Ladder(toy_model(num_hidden_layers=4)), Ladder(toy_model(num_hidden_layers=4), Recompute(layers=-1))
    low.restore(saved)
    high.restore(saved)
    assert low.level == Recompute(True, True, 2)
    assert high.level == Recompute(layers=-1)


def test_model_without_layers_has_nothing_to_rise_to() -> None:
    assert Ladder(nn.Linear(2, 2)).rise() is None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_small_models_have_no_empty_rungs(count: int) -> None:
    ladder = Ladder(toy_model(num_hidden_layers=count))
    words = list(iter(ladder.rise, None))
    assert words[0] == "norms"
    assert words[-1] == "all"
    assert "0" not in words
