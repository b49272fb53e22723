# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202  (a kernel takes pointers and numbers; Triton gives them their types)
"""4-bit weights back to 16 bits in one launch, double quantization included, bit-equal to bitsandbytes.

Counterpart: `bitsandbytes.functional.dequantize_4bit`, which takes three launches and a 32-bit copy of the scales.
"""

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64
"""Weights that share a scale."""


@triton.jit
def _nf4_kernel(
    packed, codes, scales, scale_codes, super_scales, offset, out, blocks,
    NESTED: tl.constexpr, PER_SUPER: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0) * BLOCKS + tl.arange(0, BLOCKS)
    known = block < blocks
    if NESTED:
        code = tl.load(scales + block, mask=known, other=0).to(tl.int32)
        scale = tl.load(scale_codes + code) * tl.load(super_scales + block // PER_SUPER, mask=known, other=0.0)
        scale += tl.load(offset)
    else:
        scale = tl.load(scales + block, mask=known, other=0.0)
    byte = tl.arange(0, 32)
    place = block.to(tl.int64)[:, None] * 32 + byte[None, :]
    pair = tl.load(packed + place, mask=known[:, None], other=0).to(tl.int32)
    high = tl.load(codes + (pair >> 4)) * scale[:, None]
    low = tl.load(codes + (pair & 15)) * scale[:, None]
    value = tl.interleave(high.to(out.dtype.element_ty), low.to(out.dtype.element_ty))
    target = block.to(tl.int64)[:, None] * 64 + tl.arange(0, 64)[None, :]
    tl.store(out + target, value, mask=known[:, None])


def dequantize(
    packed: Tensor,
    codes: Tensor,
    scales: Tensor,
    nested: tuple[Tensor, Tensor, Tensor, int] | None,
    out: Tensor,
    tile: tuple[int, int] = (32, 8),
) -> None:
    """Writes code · scale of each weight into `out`.

    Args:
        packed: uint8, two weights a byte, the first in the high half.
        codes: [16] float32, the values of the codes.
        scales: One for 64 weights: float32, or uint8 with `nested`.
        nested: Values of the scales' codes [256], their own scales, the offset [], and how many share one.
        tile: Blocks of a program and its warps, for tuning.
        out: Contiguous, a multiple of 64 elements; float32, bfloat16 or float16.
    """
    blocks = out.numel() // BLOCK
    scale_codes, super_scales, offset, per_super = nested or (codes, codes, codes, 1)
    # Fused multiply-add would round the scales once instead of twice: not what bitsandbytes does.
    _nf4_kernel[(triton.cdiv(blocks, tile[0]),)](
        packed, codes, scales, scale_codes, super_scales, offset, out, blocks,
        NESTED=nested is not None, PER_SUPER=per_super, BLOCKS=tile[0], num_warps=tile[1], enable_fp_fusion=False,
    )  # fmt: skip
