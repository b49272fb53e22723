"""Base weights in 4 bits (NF4, FP4) or 8 bits (LLM.int8) through bitsandbytes.

Goes out: the config object with which Transformers loads and quantises. References: QLoRA (arXiv 2305.14314) for NF4
and double quantization, LLM.int8 (arXiv 2208.07339).
"""

from typing import Literal

import torch
from torch import nn
from transformers import BitsAndBytesConfig

ComputeDtype = Literal["auto", "bfloat16", "float32"]


def bitsandbytes_config(
    kind: Literal["nf4", "fp4", "int8"],
    *,
    double_quantization: bool,
    compute_dtype: ComputeDtype,
    device: torch.device,
) -> BitsAndBytesConfig:
    """See `ftlab.quantization.config.quantization_config`.

    Args:
        kind: How weights are stored.
        double_quantization: As there.
        compute_dtype: As there.
        device: As there.
    """
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=double_quantization,
        bnb_4bit_compute_dtype=_compute_dtype(compute_dtype, device),
    )


def keep_quantised_weights(model: nn.Module) -> None:
    """Stops bitsandbytes from rewriting 4-bit weights on a CPU with AVX512-BF16.

    There, the first forward pass in eval mode packs the weights anew for an inference kernel, rounds their scales to
    bfloat16 for good, and from then on training gets no gradient through these layers, because that kernel has
    none. Without the packing, evaluation and training see the same weights.

    Args:
        model: A model with 4-bit layers; others are left alone.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            setattr(module, "support_avx512bf16_for_cpu", False)  # noqa: B010 (mypy knows no such attribute)


def _compute_dtype(requested: ComputeDtype, device: torch.device) -> torch.dtype:
    if requested == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if requested == "bfloat16" else torch.float32
