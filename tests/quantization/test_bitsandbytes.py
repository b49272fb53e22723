"""4- and 8-bit bases on the CPU: they learn through, and evaluation leaves them as they were."""

import logging
import subprocess
import sys
from pathlib import Path

import bitsandbytes
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ftlab.model.load import load_model
from ftlab.quantization.config import Kind, quantization_config
from tests.model.toy import SHAPE


def quantised(kind: Kind, **options: bool) -> PreTrainedModel:
    config = quantization_config(kind, **options)
    return load_model(path=None, weights="random", shape=SHAPE, device="cpu", quantization_config=config)


def input_gradient(model: PreTrainedModel) -> Tensor:
    """Of the logits with respect to the embeddings: what an adapter below would learn from."""
    embeddings = model.get_input_embeddings()(torch.arange(3, 15)[None]).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model(inputs_embeds=embeddings).logits.square().sum(), embeddings)
    return gradient


def unpacked(model: PreTrainedModel) -> PreTrainedModel:
    """A plain model with the weights that the quantised one stands for."""
    plain = quantised("none")
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state)
        elif isinstance(module, bitsandbytes.nn.Linear8bitLt):
            weight = weight.data * weight.SCB[:, None] / 127
        if weight is not None:
            plain.get_submodule(name).weight.data = weight.detach().clone()
    return plain


@pytest.mark.parametrize(("kind", "rounding"), [("nf4", 0.11), ("fp4", 0.15), ("int8", 0.01)])
def test_a_quantised_base_learns_like_the_weights_it_stands_for(kind: Kind, rounding: float) -> None:
    model = quantised(kind).train()
    plain = unpacked(model).train()
    exact = quantised("none").model.layers[0].mlp.up_proj.weight
    lost = (plain.model.layers[0].mlp.up_proj.weight - exact).norm() / exact.norm()
    assert 0 < lost.item() < rounding
    expected = input_gradient(plain)
    torch.testing.assert_close(input_gradient(model), expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("kind", ["nf4", "fp4", "int8"])
def test_evaluation_leaves_weights_and_gradients_bit_equal(kind: Kind) -> None:
    model = quantised(kind).train()
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    before = input_gradient(model)
    with torch.no_grad():
        model.eval()(input_ids=torch.arange(3, 15)[None])
    torch.testing.assert_close(input_gradient(model.train()), before, rtol=0, atol=0)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_double_quantization_stores_scales_in_8_bits() -> None:
    def scales(double: bool) -> torch.dtype:
        model = quantised("nf4", double_quantization=double)
        return model.model.layers[0].mlp.up_proj.weight.quant_state.absmax.dtype

    assert scales(True) == torch.uint8
    assert scales(False) == torch.float32


def test_compute_dtype_is_float32_on_a_cpu_unless_named() -> None:
    assert quantization_config("nf4").bnb_4bit_compute_dtype == torch.float32
    assert quantization_config("nf4", compute_dtype="bfloat16").bnb_4bit_compute_dtype == torch.bfloat16


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of none, nf4, fp4, int8, fp8, but is 'nf5'"):
        quantization_config("nf5")  # type: ignore[arg-type]


def test_no_quantization_needs_no_config() -> None:
    assert quantization_config("none") is None


@pytest.mark.slow
def test_importing_peft_through_ftlab_prints_nothing() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", "import ftlab.method.peft"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout + done.stderr == ""


def test_an_8_bit_product_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), torch.no_grad():
        quantised("int8")(input_ids=torch.arange(3, 15)[None])
    assert "bitsandbytes.autograd._functions" not in {record.name for record in caplog.records}
