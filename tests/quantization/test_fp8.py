"""A base in FP8: how it loads, what it computes on a CPU, and that its adapters belong to the base as published."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.fp8 import Fp8Linear, quantise_rows
from ftlab.model.load import load_model
from ftlab.quantization.config import quantization_config
from tests.model.toy import SHAPE

IDS = torch.arange(3, 43)[None]


def loaded(kind: Any = "fp8") -> Any:
    config = quantization_config(kind)
    return load_model(path=None, weights="random", shape=SHAPE, device="cpu", quantization_config=config)


def adapted(base: Any, **options: Any) -> PeftModel:
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", **options)
    model: PeftModel = get_peft_model(base.requires_grad_(False), config, autocast_adapter_dtype=False)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.05)
    return model.train()


def outcome(model: PeftModel) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad(set_to_none=True)
    logits = model(input_ids=IDS, use_cache=False).logits
    logits.square().mean().backward()
    return logits.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def unpacked(model: Any) -> Any:
    """A plain model with the weights that the FP8 one stands for."""
    plain = loaded("none")
    for name, module in model.named_modules():
        if isinstance(module, Fp8Linear):
            plain.get_submodule(name).weight.data = module.unpacked(torch.float32)
    return plain


def test_linear_layers_are_rounded_while_they_load_and_nothing_else_is() -> None:
    model, exact = loaded(), loaded("none")
    linears = {name for name, module in exact.named_modules() if type(module) is nn.Linear}
    eight = {name: module for name, module in model.named_modules() if isinstance(module, Fp8Linear)}
    assert eight.keys() == linears - {"lm_head"}
    for name, module in eight.items():
        weight, scales = quantise_rows(exact.get_submodule(name).weight.data)
        assert torch.equal(module.weight8.float(), weight.float())
        assert torch.equal(module.scales, scales)
        assert module.weight.nelement() * module.weight.element_size() == exact.get_submodule(name).weight.numel()
    for name, weight in exact.named_parameters():
        if name.rpartition(".")[0] not in eight:
            assert torch.equal(model.get_parameter(name), weight), name


@pytest.mark.parametrize("fused", [True, False])
def test_adapter_learns_on_it_as_on_the_weights_it_stands_for(fused: bool) -> None:
    base = loaded()
    exact_logits, exact = outcome(adapted(unpacked(base)))
    model = adapted(base)
    if fused:
        notes = accelerate_model(model)
        assert notes
        assert not [note for note in notes if "plain" in note]
    logits, grads = outcome(model)
    torch.testing.assert_close(logits, exact_logits, rtol=1e-4, atol=1e-5)
    assert grads.keys() == exact.keys()
    for name, grad in grads.items():
        assert grad.any(), name
        torch.testing.assert_close(grad, exact[name], rtol=1e-3, atol=1e-4 * exact[name].abs().max().item())


def test_fp8_products_of_the_base_are_near_and_only_where_they_are_asked_for() -> None:
    model = adapted(loaded())
    logits, grads = outcome(model)
    accelerate_model(model, arithmetic="fp8")
    eight_logits, eight = outcome(model)
    assert 1e-4 * logits.norm() < (eight_logits - logits).norm() < 0.2 * logits.norm()
    for name, grad in grads.items():
        assert nn.functional.cosine_similarity(eight[name].flatten(), grad.flatten(), dim=0) > 0.7, name


def test_adapter_begins_as_on_a_base_in_32_bits() -> None:
    eight, exact = adapted(loaded()), adapted(loaded("none"))
    for name, weight in exact.named_parameters():
        if "lora_" in name:
            assert torch.equal(eight.get_parameter(name), weight), name


def test_backward_keeps_no_unpacked_weight() -> None:
    linear = Fp8Linear(nn.Linear(64, 48))
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        out = linear(torch.randn(3, 64, requires_grad=True))
    out.sum().backward()
    assert all(tensor.numel() < 64 * 48 for tensor in kept)


def test_bias_and_autocast_give_what_a_linear_layer_gives() -> None:
    linear = nn.Linear(64, 48)
    eight = Fp8Linear(linear)
    linear.weight.data = eight.unpacked(torch.float32)
    x = torch.randn(3, 64)
    torch.testing.assert_close(eight(x), linear(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert eight(x).dtype == torch.bfloat16
        torch.testing.assert_close(eight(x), linear(x), rtol=2e-2, atol=2e-2)


def test_saved_adapter_is_put_on_the_exact_base_and_merged_there(tmp_path: Path) -> None:
    adapted(loaded()).save_pretrained(str(tmp_path), save_embedding_layers=False)
    on_exact = PeftModel.from_pretrained(loaded("none"), str(tmp_path)).eval()
    with torch.no_grad():
        here = on_exact(input_ids=IDS).logits
        torch.testing.assert_close(adapted(loaded("none")).eval()(input_ids=IDS).logits, here)
        merged = on_exact.merge_and_unload()(input_ids=IDS).logits
    torch.testing.assert_close(merged, here, rtol=1e-4, atol=1e-5)
