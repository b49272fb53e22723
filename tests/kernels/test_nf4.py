"""A 4-bit base on the CPU: fused against PEFT, and with unpacked weights kept."""

import pytest
import torch
from peft import PeftModel

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.nf4 import dequantize_into
from ftlab.model.load import load_model
from ftlab.quantization.config import quantization_config
from tests.kernels.blocks import SHAPE, run, with_lora, worst

IDS = torch.randint(1, 128, (2, 12), generator=torch.Generator().manual_seed(5))


def build(kind: str = "nf4", **lora: object) -> PeftModel:
    shape = SHAPE | {"model_type": "llama", "intermediate_size": 128}
    config = quantization_config(kind, device="cpu")  # type: ignore[arg-type]
    base = load_model(path=None, device="cpu", weights="random", shape=shape, quantization_config=config)
    return with_lora(base, **lora)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_fused_equals_peft(kind: str, dropout: float) -> None:
    model = build(kind, lora_dropout=dropout)
    logits, grads = run(model, IDS)
    notes = accelerate_model(model)
    assert not [note for note in notes if "plain" in note]
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, rtol=1e-4, atol=1e-5)
    assert worst(fused_grads, grads) < 1e-4


def test_int8_takes_the_plain_path_and_says_so() -> None:
    model = build("int8")
    notes = accelerate_model(model)
    assert any("Linear8bitLt" in note for note in notes), notes


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_unpacked_weights_within_the_budget_change_nothing(layers: int) -> None:
    model = build()
    accelerate_model(model)
    logits, grads = run(model, IDS)
    q_k_v_o, mlp = (64 + 32 + 32 + 12) * 64 + (64 + 4) * 64, (256 + 8) * 64 + (64 + 4) * 128
    accelerate_model(model, held_bytes=layers * 4 * (q_k_v_o + mlp))
    kept_logits, kept_grads = run(model, IDS)
    assert torch.equal(kept_logits, logits)
    assert all(torch.equal(kept_grads[name], grad) for name, grad in grads.items())


def test_unpacking_equals_the_layer_itself() -> None:
    layer = build().get_base_model().model.layers[0].mlp.up_proj.base_layer
    out = torch.empty(128, 64)
    dequantize_into(out, layer.weight)
    torch.testing.assert_close(out.t(), layer(torch.eye(64)))
