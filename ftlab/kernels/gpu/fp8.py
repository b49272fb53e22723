# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202  (a kernel takes pointers and numbers; Triton gives them their types)
"""Into FP8 (e4m3): lines of activations with their scales, 4-bit weights, and bytes turned over.

Counterpart: `ftlab.kernels.fp8`, which says what the scales mean. FP8 tensor cores want both factors with the inner
dimension contiguous, so backward needs the weights turned over: [in, out].
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

E4M3_MAX = 448.0


@triton.jit
def _rows_kernel(x, factor, out, scales, stride, width, FACTOR: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    inside = cols < width
    value = tl.load(x + row * stride + cols, mask=inside, other=0.0).to(tl.float32)
    if FACTOR:
        value *= tl.load(factor + cols, mask=inside, other=0.0)
    scale = tl.maximum(tl.max(tl.abs(value), axis=0) / 448.0, 1e-30)
    tl.store(scales + row, scale)
    tl.store(out + row * width + cols, (value / scale).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _turn_kernel(source, target, rows, cols, SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    col = tl.program_id(1).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    inside = (row < rows)[:, None] & (col < cols)[None, :]
    tile = tl.load(source + row[:, None] * cols + col[None, :], mask=inside, other=0)
    turned = (col < cols)[:, None] & (row < rows)[None, :]
    tl.store(target + col[:, None] * rows + row[None, :], tl.trans(tile), mask=turned)


@triton.jit
def _nf4_kernel_fp8(
    packed, codes, scales, scale_codes, super_scales, offset, row_scales, out, rows, blocks_a_row, row_offset, line,
    NESTED: tl.constexpr, PER_SUPER: tl.constexpr, TURN: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = row < rows
    block = row * blocks_a_row + tl.program_id(1)
    if NESTED:
        code = tl.load(scales + block, mask=known, other=0).to(tl.int32)
        scale = tl.load(scale_codes + code) * tl.load(super_scales + block // PER_SUPER, mask=known, other=0.0)
        scale += tl.load(offset)
    else:
        scale = tl.load(scales + block, mask=known, other=0.0)
    scale = scale / tl.load(row_scales + row_offset + row, mask=known, other=1.0)
    byte = tl.arange(0, 32)
    pair = tl.load(packed + block.to(tl.int64)[:, None] * 32 + byte[None, :], mask=known[:, None], other=0).to(tl.int32)
    high = (tl.load(codes + (pair >> 4)) * scale[:, None]).to(out.dtype.element_ty)
    low = (tl.load(codes + (pair & 15)) * scale[:, None]).to(out.dtype.element_ty)
    value = tl.interleave(high, low)
    col = tl.program_id(1) * 64 + tl.arange(0, 64)
    place = (row_offset + row).to(tl.int64)
    if TURN:
        tl.store(out + col.to(tl.int64)[:, None] * line + place[None, :], tl.trans(value), mask=known[None, :])
    else:
        tl.store(out + place[:, None] * line + col[None, :], value, mask=known[:, None])


def quantise_rows(x: Tensor, factor: Tensor | None) -> tuple[Tensor, Tensor]:
    """See `ftlab.kernels.fp8.quantise_rows`."""
    rows, width = x.shape
    x = x if x.stride(1) == 1 else x.contiguous()
    out = torch.empty((rows, width), dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty((rows, 1), dtype=torch.float32, device=x.device)
    block = triton.next_power_of_2(width)
    _rows_kernel[(rows,)](
        x, scales if factor is None else factor, out, scales, x.stride(0), width,
        FACTOR=factor is not None, BLOCK=block, num_warps=max(4, min(32, block // 1024)),
    )  # fmt: skip
    return out, scales


def turned(weights: Tensor) -> Tensor:
    """See `ftlab.kernels.fp8.turned`."""
    rows, cols = weights.shape
    out = torch.empty((cols, rows), dtype=weights.dtype, device=weights.device)
    grid = (triton.cdiv(rows, 64), triton.cdiv(cols, 64))
    _turn_kernel[grid](weights.view(torch.uint8), out.view(torch.uint8), rows, cols, SIZE=64, num_warps=4)
    return out


def unpack_nf4(
    packed: Tensor, codes: Tensor, scales: Tensor, nested: tuple[Tensor, Tensor, Tensor, int] | None,
    shape: tuple[int, int], row_scales: Tensor, row_offset: int, out: Tensor, turn: bool,
) -> None:  # fmt: skip
    """Writes 4-bit weights over their lines' scales as FP8 into lines (or columns, with `turn`) of `out`.

    Args:
        packed: As for `gpu.nf4.dequantize`, like the next three.
        codes: Values of the codes.
        scales: One for 64 weights.
        nested: Double quantization.
        shape: Lines and columns of the weights.
        row_scales: [all lines] float32.
        row_offset: Line of `out` where these weights begin.
        out: [all lines, columns], or [columns, all lines] with `turn`.
        turn: Whether the weights are turned over.
    """
    scale_codes, super_scales, offset, per_super = nested or (codes, codes, codes, 1)
    blocks_a_row = shape[1] // 64
    _nf4_kernel_fp8[(triton.cdiv(shape[0], 64), blocks_a_row)](
        packed, codes, scales, scale_codes, super_scales, offset, row_scales, out, shape[0], blocks_a_row, row_offset,
        out.stride(0), NESTED=nested is not None, PER_SUPER=per_super, TURN=turn, ROWS=64, num_warps=4,
    )  # fmt: skip
