"""FP8 products of frozen weights: rounding as expected, and a whole model near its exact path."""

import pytest
import torch
from torch import nn

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.fp8 import E4M3_MAX, Fp8Linear, Fp8Stack, quantise_rows, turned
from tests.kernels.blocks import build, run

IDS = torch.randint(1, 128, (2, 12), generator=torch.Generator().manual_seed(5))


def test_rows_use_the_whole_range_and_come_back_to_rounding() -> None:
    x, factor = torch.randn(5, 64) * torch.tensor([1e-6, 1.0, 1e3, 0.0, 7.0])[:, None], torch.rand(64) + 0.5
    x8, scales = quantise_rows(x, factor)
    largest = x8.float().abs().amax(1)
    assert torch.equal(largest[[0, 1, 2, 4]], torch.full((4,), E4M3_MAX))
    exact = x * factor
    # Three bits of mantissa: half a unit is 1/16 of the value; below the smallest normal number it is absolute.
    assert ((x8.float() * scales - exact).abs() <= exact.abs() / 16 + scales * 2**-9).all()


def test_small_gradients_keep_their_digits() -> None:
    x, factor = torch.randn(3, 64) * torch.tensor([1e-9, 1e-13, 1e-20])[:, None], torch.full((64,), 1e-4)
    x8, scales = quantise_rows(x, factor)
    exact = x.double() * factor.double()
    assert ((x8.double() * scales.double() - exact).norm(dim=1) < 0.05 * exact.norm(dim=1)).all()


def test_turned_is_the_transpose() -> None:
    weight8, _ = quantise_rows(torch.randn(6, 10))
    assert torch.equal(turned(weight8).float(), weight8.float().t())


@pytest.mark.parametrize("held", [True, False])
def test_products_are_near_the_exact_ones_both_ways(held: bool) -> None:
    linears = [nn.Linear(64, 48, bias=False), nn.Linear(64, 32, bias=False)]
    exact = torch.cat([linear.weight.data for linear in linears]).clone()
    stack = Fp8Stack([Fp8Linear(linear) for linear in linears] if held else linears, 0)
    x, dy, out = torch.randn(9, 64), torch.randn(9, 80), torch.empty(9, 80)
    stack.product(x, out)
    assert (out - x @ exact.t()).norm() < 0.06 * (x @ exact.t()).norm()
    assert (stack.back(dy) - dy @ exact).norm() < 0.06 * (dy @ exact).norm()


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3_text", "phi3"])
def test_a_model_in_fp8_is_near_its_exact_path(kind: str) -> None:
    model = build(kind)
    logits, grads = run(model, IDS)
    notes = accelerate_model(model, arithmetic="fp8")
    assert not [note for note in notes if "plain" in note]
    fused_logits, fused_grads = run(model, IDS)
    assert 0 < (fused_logits - logits).norm() < 0.2 * logits.norm()
    for name, grad in grads.items():
        assert torch.nn.functional.cosine_similarity(fused_grads[name].flatten(), grad.flatten(), dim=0) > 0.7, name


def test_an_fp8_layer_alone_multiplies_by_what_it_holds() -> None:
    linear = nn.Linear(32, 16)
    eight = Fp8Linear(linear)
    x = torch.randn(3, 32)
    torch.testing.assert_close(eight(x), x @ eight.unpacked(torch.float32).t() + linear.bias)
    assert eight.weight.dtype == torch.uint8
    assert (eight.unpacked(torch.float32) - linear.weight).norm() < 0.05 * linear.weight.norm()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_weights_that_are_held_turned_over_change_nothing(layers: int) -> None:
    model = build("llama")
    accelerate_model(model, arithmetic="fp8")
    logits, grads = run(model, IDS)
    whole = sum(
        p.numel() for name, p in model.named_parameters() if "layers.0." in name and "base_layer.weight" in name
    )
    notes = accelerate_model(model, arithmetic="fp8", held_bytes=layers * whole)
    assert [note for note in notes if "held" in note] == (
        [f"kernels: {4 * layers} × weights held unpacked: 0.00 GiB"] if layers else []
    )
    held_logits, held_grads = run(model, IDS)
    assert torch.equal(held_logits, logits)
    assert all(torch.equal(held_grads[name], grad) for name, grad in grads.items())
