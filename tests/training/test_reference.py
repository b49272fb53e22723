"""A LoRA and a QLoRA run through Lightning, packed, against plain Transformers + PEFT, one row at a time."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from ftlab.data.datamodule import StepBatches
from ftlab.optimizer.schedule import build_schedule
from ftlab.quantization.bitsandbytes import keep_quantised_weights
from tests.reference.nll import train
from tests.training.toy import run_toy, toy_model, toy_module, toy_rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",  # PEFT asks Transformers
)


def _with_lora(base: nn.Module) -> nn.Module:
    torch.manual_seed(5)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights="gaussian", lora_dropout=0.0)
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # B = 0 would hide every fault in A's gradient at the first step
            nn.init.normal_(parameter, std=0.1)
    return model


def _lora(folder: Path) -> nn.Module:
    return _with_lora(toy_model())


def _qlora(folder: Path) -> nn.Module:
    if not folder.exists():
        toy_model(hidden_size=64, intermediate_size=128).save_pretrained(folder)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    base = AutoModelForCausalLM.from_pretrained(folder, quantization_config=quantization, dtype=torch.float32)
    keep_quantised_weights(base)
    for parameter in base.parameters():
        parameter.requires_grad = False
    return _with_lora(base)


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("build", [_lora, _qlora])
def test_losses_norms_and_weights_equal_plain_loop(build: Any, layout: str, tmp_path: Path) -> None:
    rows = toy_rows(24)
    batches = StepBatches(rows, batch_rows=8, steps=6, seed=3)
    reference = build(tmp_path / "base")
    # Adam divides by a gradient's size: without a larger eps, rounding of gradients near zero would become steps.
    settings = {"lr": 1e-2, "weight_decay": 0.1, "eps": 1e-4}
    plain = list(train(reference, list(batches), max_grad_norm=0.1, warmup_steps=2, **settings))

    model = build(tmp_path / "base")
    module = toy_module(
        model,
        layout=layout,
        micro_batch_tokens=40,
        optimizer=partial(torch.optim.AdamW, **settings),
        schedule=build_schedule("cosine", total_steps=6, warmup=2),
    )
    recorder, _ = run_toy(tmp_path, module, rows=rows, max_grad_norm=0.1)

    assert list(recorder.losses.values()) == pytest.approx([loss for loss, _ in plain], rel=1e-5)
    assert list(recorder.norms.values()) == pytest.approx([norm for _, norm in plain], rel=1e-4)
    assert max(recorder.norms.values()) > 0.1  # clipping had its part
    expected = dict(reference.named_parameters())
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    for name, parameter in trained.items():
        torch.testing.assert_close(parameter, expected[name], rtol=1e-4, atol=2e-6)
