"""Small models of the known architectures with LoRA on them, and what two ways through one model give."""

import warnings
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

SHAPE: dict[str, Any] = {
    "vocab_size": 128, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64, "pad_token_id": 0,
    "tie_word_embeddings": False,
}  # fmt: skip

MORE: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 8},
    "qwen2": {},
    "qwen3": {},
    "gemma3_text": {
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "phi3": {},
}

TARGETS = {"phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]}


def build(
    kind: str,
    *,
    dtype: torch.dtype = torch.float32,
    targets: Any = None,
    attention: str = "sdpa",
    layers: int = 2,
    **lora: Any,
) -> PeftModel:
    """A model with LoRA whose A and B are random, so that every gradient is there."""
    torch.manual_seed(0)
    arguments = SHAPE | MORE[kind] | {"model_type": kind, "num_hidden_layers": layers}
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(**arguments), dtype=dtype, attn_implementation=attention
    )
    model.requires_grad_(False)
    return with_lora(model, targets=targets or TARGETS.get(kind, "all-linear"), **lora)


def with_lora(
    model: nn.Module, *, targets: Any = "all-linear", adapter_dtype: torch.dtype | None = None, **lora: Any
) -> PeftModel:
    options = {"r": 4, "lora_alpha": 12, "lora_dropout": 0.0} | lora
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=targets, **options)
    with warnings.catch_warnings():  # PEFT asks Transformers for an attribute that has a new name
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        peft_model: PeftModel = get_peft_model(model, config, autocast_adapter_dtype=False)
    for name, weight in peft_model.named_parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(adapter_dtype or weight.dtype)
            nn.init.normal_(weight, std=0.2 if "lora_B" in name else 0.1)
        elif weight.ndim == 1 and weight.is_floating_point():
            nn.init.normal_(weight, mean=0.5, std=0.3)  # norms and biases that do something
    peft_model.train()
    return peft_model


def run(model: PeftModel, ids: Tensor, seed: int = 3) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the gradients of a loss over them."""
    torch.manual_seed(seed)
    model.zero_grad(set_to_none=True)
    logits = model(input_ids=ids, use_cache=False).logits
    weights = torch.linspace(-1, 1, logits.shape[-1], dtype=logits.dtype, device=logits.device)
    (logits.square() * 0.1 + logits * weights).mean().backward()
    return logits.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def worst(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    """The largest relative difference of two sets of gradients."""
    assert left.keys() == right.keys()
    assert left
    return max(float((left[name] - right[name]).norm() / right[name].norm()) for name in left)
