"""Adapters from disk are the ones that were trained, to the last digit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor

from ftlab.method.method import AdapterDtype
from ftlab.method.peft import PeftMethod
from ftlab.method.saved import load_adapter
from tests.training.toy import toy_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def _logits(model: Any) -> Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found: Tensor = model(torch.arange(2, 30)[None]).logits
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapter_keeps_the_dtype_that_it_was_saved_in_beside_a_base_of_16_bits(
    tmp_path: Path, dtype: AdapterDtype
) -> None:
    """DoRA, whose scales of rows are no product that autocast rounds anyway."""
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, use_dora=True)
    method = PeftMethod(peft_config=config, name="dora", total_steps=1, adapter_dtype=dtype)
    trained = method.apply(toy_model(dtype=torch.bfloat16)).eval()
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight.uniform_(0.1, 1.0)
    method.save(trained, tmp_path)
    loaded = load_adapter(toy_model(dtype=torch.bfloat16), tmp_path)
    kept = {weight.dtype for name, weight in loaded.named_parameters() if "lora" in name}
    assert kept == {getattr(torch, dtype)}
    assert {weight.dtype for name, weight in loaded.named_parameters() if "lora" not in name} == {torch.bfloat16}
    assert not any(weight.requires_grad for weight in loaded.parameters())
    torch.testing.assert_close(_logits(loaded), _logits(trained), rtol=0, atol=0)
