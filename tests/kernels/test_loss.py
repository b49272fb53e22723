"""The frozen head's loss against logits and cross-entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ftlab.data.row import MicroBatch
from ftlab.kernels.loss import frozen_sum_nll, head_obstacle
from ftlab.training.loss import sum_nll
from tests.kernels.blocks import build


@pytest.mark.parametrize("chunk_elements", [1, 90, 10**6])
@pytest.mark.parametrize(("scale", "cap"), [(1.0, None), (0.3, 2.0)])
def test_loss_and_gradient_equal_cross_entropy(scale: float, cap: float | None, chunk_elements: int) -> None:
    hidden = torch.randn(7, 16, dtype=torch.float64, requires_grad=True)
    weight, targets = torch.randn(30, 16, dtype=torch.float64), torch.randint(0, 30, (7,))
    logits = hidden @ weight.t() * scale
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    expected = cross_entropy(logits, targets, reduction="sum")
    (grad,) = torch.autograd.grad(expected / 5, hidden)
    result = frozen_sum_nll(hidden, weight, targets, scale=scale, cap=cap, chunk_elements=chunk_elements)
    (own,) = torch.autograd.grad(result / 5, hidden)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(own, grad)


def test_no_supervised_token_gives_zero_loss_and_gradient() -> None:
    hidden = torch.randn(4, 8, requires_grad=True)
    none = hidden[:0]
    result = frozen_sum_nll(none, torch.randn(5, 8), torch.zeros(0, dtype=torch.int64))
    result.backward()
    assert result.item() == 0.0
    assert hidden.grad is not None
    assert not hidden.grad.any()


@pytest.mark.parametrize("kind", ["llama", "gemma3_text"])
def test_training_loss_is_the_same_with_and_without_logits(kind: str) -> None:
    model = build(kind, dtype=torch.float64)
    targets = torch.randint(0, 128, (2, 9))
    targets[0, 4:] = -100
    targets[1, ::2] = -100
    mask = torch.ones(2, 9, dtype=torch.int64)
    micro = MicroBatch(torch.randint(1, 128, (2, 9)), torch.arange(9).repeat(2, 1), targets, (0, 1), None, 9, mask)
    assert head_obstacle(model) is None
    sum_nll(model, micro).backward()
    grads = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    own = sum_nll(model, micro)
    model.zero_grad()
    logits = model(input_ids=micro.input_ids, attention_mask=mask).logits
    expected = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    expected.backward()
    torch.testing.assert_close(own, expected)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, model.get_parameter(name).grad)


def test_a_trained_head_and_unknown_models_keep_their_logits() -> None:
    model = build("llama")
    model.get_base_model().lm_head.weight.requires_grad_(True)
    assert head_obstacle(model) == "the head is trained"
    assert head_obstacle(torch.nn.Linear(2, 2)) == "the head is a NoneType"
