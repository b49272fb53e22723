# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202  (a kernel takes pointers and numbers; Triton gives them their types)
"""act(gate) · up of a gated MLP with the low-rank parts of gate, up and down added on the way.

Counterpart: `ftlab.kernels.gated`. Memory-bound: what the low-rank parts need (products over the small rank) runs on
the tensor cores while the tiles stream through, so that they cost no pass of their own.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ftlab.kernels.device import product_f32

FUSED_RANK = 32
"""Up to this rank the backward pass also accumulates the adapters' gradients in registers."""

Tile = tuple[int, int, int, int]
"""Tokens and columns of a tile, warps, and stages of loads in flight."""

FORWARD: Tile = (32, 128, 4, 1)
BACKWARD: Tile = (32, 64, 4, 3)
# Measured alone on an H100 (8,192 tokens, width 14,336, rank 16): this tile 0.67 ms, (32, 128, 8, 1) 1.14 ms.
PARTS = 8
"""Programs that share the tokens of a column block in backward."""


@triton.jit
def _activation(x, TANH: tl.constexpr):
    """The activation and its derivative: SiLU, or GELU in its tanh form."""
    if TANH:
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        tanh = 2.0 * tl.sigmoid(2.0 * inner) - 1.0
        slope = 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x)
        value = 0.5 * x * (1.0 + tanh)
        derivative = 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope
    else:
        sigmoid = tl.sigmoid(x)
        value = x * sigmoid
        derivative = sigmoid * (1.0 + x * (1.0 - sigmoid))
    return value, derivative


@triton.jit
def _gated_forward_kernel(
    gate_up, projected, gate_b, up_b, out, tokens, width, gate_up_stride, projected_stride, gate_rank, up_rank,
    TANH: tl.constexpr, RANK: tl.constexpr, TOKENS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    col = tl.program_id(0) * COLS + tl.arange(0, COLS)
    row = (tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)).to(tl.int64)
    inside = (row < tokens)[:, None] & (col < width)[None, :]
    place = row[:, None] * gate_up_stride + col[None, :]
    gate = tl.load(gate_up + place, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + place + width, mask=inside, other=0.0).to(tl.float32)
    if RANK:
        rank = tl.arange(0, RANK)
        source = projected + row[:, None] * projected_stride + rank[None, :]
        known = (row < tokens)[:, None]
        gate_p = tl.load(source, mask=known & (rank < gate_rank)[None, :], other=0.0)
        up_p = tl.load(source + gate_rank, mask=known & (rank < up_rank)[None, :], other=0.0)
        gate_w = tl.load(gate_b + col[None, :] * gate_rank + rank[:, None],
                         mask=(rank < gate_rank)[:, None] & (col < width)[None, :], other=0.0)  # fmt: skip
        up_w = tl.load(up_b + col[None, :] * up_rank + rank[:, None],
                       mask=(rank < up_rank)[:, None] & (col < width)[None, :], other=0.0)  # fmt: skip
        gate += tl.dot(gate_p, gate_w, input_precision="ieee")
        up += tl.dot(up_p, up_w, input_precision="ieee")
    value, _ = _activation(gate, TANH)
    tl.store(out + row[:, None] * width + col[None, :], (value * up).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _gated_backward_kernel(
    dhidden, gate_up, projected, gate_b, up_b, dprojected, down_a, grad_gate_b, grad_up_b, grad_down_a,
    tokens, width, gate_up_stride, projected_stride, gate_rank, up_rank, down_rank, tokens_each,
    TANH: tl.constexpr, RANK: tl.constexpr, FUSED: tl.constexpr, TOKENS: tl.constexpr, COLS: tl.constexpr,
    STAGES: tl.constexpr,
):  # fmt: skip
    col = tl.program_id(0) * COLS + tl.arange(0, COLS)
    part = tl.program_id(1)
    known_col = (col < width)[None, :]
    if RANK:
        rank = tl.arange(0, RANK)
        gate_w = tl.load(gate_b + col[None, :] * gate_rank + rank[:, None],
                         mask=(rank < gate_rank)[:, None] & known_col, other=0.0)  # fmt: skip
        up_w = tl.load(up_b + col[None, :] * up_rank + rank[:, None],
                       mask=(rank < up_rank)[:, None] & known_col, other=0.0)  # fmt: skip
        down_w = tl.load(down_a + rank[:, None] * width + col[None, :],
                         mask=(rank < down_rank)[:, None] & known_col, other=0.0)  # fmt: skip
    if FUSED:
        sum_gate = tl.zeros((RANK, COLS), dtype=tl.float32)
        sum_up = tl.zeros((RANK, COLS), dtype=tl.float32)
        sum_down = tl.zeros((RANK, COLS), dtype=tl.float32)
    for start in tl.range(part * tokens_each, tl.minimum(tokens, (part + 1) * tokens_each), TOKENS, num_stages=STAGES):
        row = (start + tl.arange(0, TOKENS)).to(tl.int64)
        known_row = (row < tokens)[:, None]
        inside = known_row & known_col
        place = row[:, None] * gate_up_stride + col[None, :]
        hidden_place = row[:, None] * width + col[None, :]
        gate = tl.load(gate_up + place, mask=inside, other=0.0).to(tl.float32)
        up = tl.load(gate_up + place + width, mask=inside, other=0.0).to(tl.float32)
        grad = tl.load(dhidden + hidden_place, mask=inside, other=0.0).to(tl.float32)
        if RANK:
            source = projected + row[:, None] * projected_stride + rank[None, :]
            gate_p = tl.load(source, mask=known_row & (rank < gate_rank)[None, :], other=0.0)
            up_p = tl.load(source + gate_rank, mask=known_row & (rank < up_rank)[None, :], other=0.0)
            down_p = tl.load(dprojected + row[:, None] * down_rank + rank[None, :],
                             mask=known_row & (rank < down_rank)[None, :], other=0.0)  # fmt: skip
            gate += tl.dot(gate_p, gate_w, input_precision="ieee")
            up += tl.dot(up_p, up_w, input_precision="ieee")
            grad += tl.dot(down_p, down_w, input_precision="ieee")
        value, derivative = _activation(gate, TANH)
        grad_gate = (grad * up * derivative).to(gate_up.dtype.element_ty)
        grad_up = (grad * value).to(gate_up.dtype.element_ty)
        hidden = (value * up).to(gate_up.dtype.element_ty)
        tl.store(gate_up + place, grad_gate, mask=inside)
        tl.store(gate_up + place + width, grad_up, mask=inside)
        if FUSED:
            sum_gate += tl.dot(tl.trans(gate_p), grad_gate, input_precision="ieee")
            sum_up += tl.dot(tl.trans(up_p), grad_up, input_precision="ieee")
            sum_down += tl.dot(tl.trans(down_p), hidden, input_precision="ieee")
        else:
            tl.store(dhidden + hidden_place, hidden, mask=inside)
    if FUSED:
        gate_place = (part * gate_rank + rank[:, None]) * width + col[None, :]
        up_place = (part * up_rank + rank[:, None]) * width + col[None, :]
        down_place = (part * down_rank + rank[:, None]) * width + col[None, :]
        tl.store(grad_gate_b + gate_place, sum_gate, mask=(rank < gate_rank)[:, None] & known_col)
        tl.store(grad_up_b + up_place, sum_up, mask=(rank < up_rank)[:, None] & known_col)
        tl.store(grad_down_a + down_place, sum_down, mask=(rank < down_rank)[:, None] & known_col)


def gated_forward(
    gate_up: Tensor, projected: Tensor, gate_b: Tensor, up_b: Tensor, tanh: bool, tile: Tile = FORWARD
) -> Tensor:
    """See `ftlab.kernels.gated.gated_forward`; `tile` is for tuning."""
    tokens, width = gate_up.shape[0], gate_up.shape[1] // 2
    rank = _padded(max(gate_b.shape[1], up_b.shape[1]))
    out = torch.empty((tokens, width), dtype=gate_up.dtype, device=gate_up.device)
    token_block, col_block, warps, stages = tile if rank <= 64 else (32, 64, 4, 1)
    grid = (triton.cdiv(width, col_block), triton.cdiv(tokens, token_block))
    _gated_forward_kernel[grid](
        gate_up, projected, gate_b, up_b, out, tokens, width, gate_up.stride(0), projected.stride(0),
        gate_b.shape[1], up_b.shape[1], TANH=tanh, RANK=rank, TOKENS=token_block, COLS=col_block,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return out


def gated_backward(
    dhidden: Tensor, gate_up: Tensor, projected: Tensor, gate_b: Tensor, up_b: Tensor, dprojected: Tensor,
    down_a: Tensor, tanh: bool, tile: Tile = BACKWARD, parts: int = PARTS, fused_rank: int = FUSED_RANK,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """See `ftlab.kernels.gated.gated_backward`; `tile`, `parts` and `fused_rank` are for tuning."""
    tokens, width = dhidden.shape
    ranks = (gate_b.shape[1], up_b.shape[1], down_a.shape[0])
    rank = _padded(max(ranks))
    fused = 0 < rank <= fused_rank
    token_block, col_block, warps, stages = tile if rank <= 32 else (32, 64, 4, 1)
    parts = max(1, min(parts, triton.cdiv(tokens, 4 * token_block))) if fused else triton.cdiv(tokens, token_block)
    tokens_each = triton.cdiv(triton.cdiv(tokens, parts), token_block) * token_block
    parts = triton.cdiv(tokens, tokens_each)
    sums = [
        torch.empty((parts if fused else 0, size, width), dtype=torch.float32, device=dhidden.device) for size in ranks
    ]
    _gated_backward_kernel[(triton.cdiv(width, col_block), parts)](
        dhidden, gate_up, projected, gate_b, up_b, dprojected, down_a, *sums, tokens, width, gate_up.stride(0),
        projected.stride(0), *ranks, tokens_each, TANH=tanh, RANK=rank, FUSED=fused, TOKENS=token_block,
        COLS=col_block, STAGES=stages, num_warps=warps,
    )  # fmt: skip
    if fused:
        gate, up, down = (part.sum(0) for part in sums)
        return gate.t(), up.t(), down
    gate_p, up_p = projected[:, : ranks[0]], projected[:, ranks[0] : ranks[0] + ranks[1]]
    grad_gate, grad_up = gate_up[:, :width], gate_up[:, width : 2 * width]
    return product_f32(grad_gate.t(), gate_p), product_f32(grad_up.t(), up_p), product_f32(dprojected.t(), dhidden)


def _padded(rank: int) -> int:
    """Tensor cores take at least 16."""
    return max(16, triton.next_power_of_2(rank)) if rank else 0
