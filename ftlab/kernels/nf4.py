"""4-bit weights of bitsandbytes, unpacked for a product.

One launch of our own where Triton runs (bit-equal, `gpu.nf4`), bitsandbytes' own function elsewhere.
"""

from typing import Any

import torch
from torch import Tensor

from ftlab.kernels.device import uses_triton


def dequantize_into(out_OI: Tensor, weight: Any) -> None:
    """Writes the weights that `weight` stands for.

    Args:
        out_OI: [out, in], contiguous, in the dtype of the product.
        weight: `Params4bit` with its quantization state, bytes in blocks of 64.
    """
    state = weight.quant_state
    if uses_triton(weight) and state.quant_type == "nf4":
        from ftlab.kernels.gpu.nf4 import dequantize

        dequantize(*quantization_of(weight), out_OI)
        return
    out_OI.copy_(_by_bitsandbytes(weight, out_OI.dtype))


def quantization_of(weight: Any) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor, int] | None]:
    """Bytes, values of the codes, scales of 64 weights, and what double quantization adds (`gpu.nf4`)."""
    state = weight.quant_state
    second = state.state2
    nested = (second.code, second.absmax, state.offset, second.blocksize) if state.nested else None
    return weight.data, state.code, state.absmax, nested


def _by_bitsandbytes(weight: Any, dtype: torch.dtype) -> Tensor:
    """As bitsandbytes does it; the sum of scale and offset is rounded to float32 like there."""
    from bitsandbytes.functional import dequantize_blockwise

    state = weight.quant_state
    scales = state.absmax
    if state.nested:
        scales = (dequantize_blockwise(state.absmax, state.state2) + state.offset).float()
    unpack: Any = torch.ops.bitsandbytes.dequantize_4bit.default
    dense: Tensor = unpack(weight.data, scales, state.blocksize, state.quant_type, state.shape, dtype)
    return dense
