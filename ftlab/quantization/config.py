"""How the frozen base is stored: from the choice of the `quantization` group to what Transformers loads with."""

from typing import Literal

import torch
from transformers.utils.quantization_config import QuantizationConfigMixin

from ftlab.quantization.bitsandbytes import ComputeDtype, bitsandbytes_config
from ftlab.quantization.fp8 import Fp8Config

Kind = Literal["none", "nf4", "fp4", "int8", "fp8"]

KINDS: tuple[Kind, ...] = ("none", "nf4", "fp4", "int8", "fp8")


def quantization_config(
    kind: Kind,
    *,
    double_quantization: bool = True,
    compute_dtype: ComputeDtype = "auto",
    device: torch.device | str = "cpu",
) -> QuantizationConfigMixin | None:
    """Builds what Transformers needs to quantise the linear layers while it loads them, one after the other.

    Args:
        kind: `nf4` and `fp4` take 4 bits a weight and one 32-bit scale for 64 weights; `int8` and `fp8` take 8 bits
            and one scale a line; `none` leaves the weights as they are.
        double_quantization: Stores the 4-bit scales in 8 bits: 0.37 bits a weight less. Only for 4 bits.
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
    if kind == "fp8":
        return Fp8Config()
    return bitsandbytes_config(
        kind, double_quantization=double_quantization, compute_dtype=compute_dtype, device=torch.device(device)
    )
