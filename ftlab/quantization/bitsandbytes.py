"""Base weights in 4 bits (NF4, FP4) or 8 bits (LLM.int8) through bitsandbytes.

Comes in: the choice of the `quantization` group. Goes out: the config object with which Transformers loads and
quantises. References: QLoRA (arXiv 2305.14314) for NF4 and double quantization, LLM.int8 (arXiv 2208.07339).
"""

from typing import Literal

import torch
from torch import nn
from transformers import BitsAndBytesConfig

Kind = Literal["none", "nf4", "fp4", "int8"]

KINDS: tuple[Kind, ...] = ("none", "nf4", "fp4", "int8")

ComputeDtype = Literal["auto", "bfloat16", "float32"]


def quantization_config(
    kind: Kind,
    *,
    double_quantization: bool = True,
    compute_dtype: ComputeDtype = "auto",
    device: torch.device | str = "cpu",
) -> BitsAndBytesConfig | None:
    """Builds what Transformers needs to quantise the linear layers while it loads them.

    Args:
        kind: `nf4` and `fp4` take 4 bits a weight and one 32-bit scale for 64 weights; `int8` takes 8 bits and one
            scale a line; `none` leaves the weights as they are.
        double_quantization: Stores the 4-bit scales in 8 bits: 0.37 bits a weight less. Not used by int8.
        compute_dtype: The dtype into which 4-bit weights are unpacked for the product. `auto` is bfloat16 on a GPU
            that has it. On a CPU it is float32, which gives the same numbers on every CPU; where the CPU has
            AVX512-BF16, bfloat16 made a QLoRA step of a 6-layer model of width 256 a fifth faster (1.22 against
            1.57 s for 1,200 tokens on one core).
        device: Where the model will be.

    Returns:
        The config; None for `none`.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"`quantization.kind` must be one of {', '.join(KINDS)}, but is '{kind}'.")
    if kind == "none":
        return None
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=double_quantization,
        bnb_4bit_compute_dtype=_compute_dtype(compute_dtype, torch.device(device)),
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
