"""Recomputation: gradients bit-equal at each level, less kept, on fused and on plain layers."""

from typing import Any

import pytest
import torch
from torch import nn

from ftlab.kernels.accelerate import accelerate_model, restore
from ftlab.kernels.frozen import DenseStack
from ftlab.kernels.recompute import ALL, LEAST, NONE, Recompute, set_recompute
from tests.kernels.blocks import SHAPE, build, run

IDS = torch.randint(1, 128, (2, 12), generator=torch.Generator().manual_seed(5))
PARTS = [Recompute(norms=True), Recompute(mlp=True), Recompute(norms=True, mlp=True)]
LEVELS = [*PARTS, Recompute(True, True, 1), ALL, LEAST]


@pytest.mark.parametrize("policy", LEVELS)
@pytest.mark.parametrize(("kind", "dropout"), [("llama", 0.0), ("llama", 0.4), ("gemma3_text", 0.0), ("phi3", 0.3)])
@pytest.mark.parametrize("fused", [True, False])
def test_gradients_are_bit_equal_at_each_level(policy: Recompute, kind: str, dropout: float, fused: bool) -> None:
    model = build(kind, lora_dropout=dropout)
    if fused:
        accelerate_model(model)
    logits, grads = run(model, IDS)
    assert set_recompute(model, policy) == []
    again_logits, again_grads = run(model, IDS)
    assert torch.equal(again_logits, logits)
    assert grads.keys() == again_grads.keys()
    assert all(torch.equal(again_grads[name], grads[name]) for name in grads)


def test_levels_can_be_taken_back_in_any_order() -> None:
    model = build("llama")
    forwards: dict[str, Any] = {name: module.forward.__func__ for name, module in model.named_modules()}
    accelerate_model(model)
    set_recompute(model, ALL)
    restore(model)
    set_recompute(model, Recompute(norms=True))
    set_recompute(model, NONE)
    assert {name: module.forward.__func__ for name, module in model.named_modules()} == forwards


def test_generation_is_left_alone() -> None:
    model = build("llama").eval()
    prompt = IDS[:, :5]
    plain = model.generate(input_ids=prompt, max_new_tokens=4, do_sample=False)
    set_recompute(model, ALL)
    assert torch.equal(model.generate(input_ids=prompt, max_new_tokens=4, do_sample=False), plain)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="must have decoder layers, but Linear has no list `layers`"):
        set_recompute(nn.Linear(2, 2), ALL)


@pytest.mark.parametrize(("kind", "left_out"), [("llama", True), ("gemma3_text", False)])
def test_product_that_nobody_reads_is_left_out_when_a_layer_is_run_again(kind: str, left_out: bool) -> None:
    model = build(kind)
    accelerate_model(model)
    products: list[tuple[int, int]] = []
    inner = DenseStack.product

    def counted(self: DenseStack, x_TI: torch.Tensor, out_TO: torch.Tensor) -> None:
        products.append((self.inputs, self.outputs))
        inner(self, x_TI, out_TO)

    set_recompute(model, ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DenseStack, "product", counted)
        run(model, IDS)
    down = products.count((SHAPE["intermediate_size"], SHAPE["hidden_size"]))
    assert down == (2 if left_out else 4)  # two layers, run twice
