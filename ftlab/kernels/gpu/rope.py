# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202  (a kernel takes pointers and numbers; Triton gives them their types)
"""Rotary position embedding of queries and keys, from one stacked projection and back into it.

Counterpart: `ftlab.kernels.rope`. One program a token; cosines and sines are read once for all its heads.
"""

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _rotate(
    source, target, cosine, sine, heads,
    HALF: tl.constexpr, HEADS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    head = tl.arange(0, HEADS)[:, None]
    lane = tl.arange(0, LANES)[None, :]
    inside = (head < heads) & (lane < HALF)
    place = head * (2 * HALF) + lane
    low = tl.load(source + place, mask=inside, other=0.0).to(tl.float32)
    high = tl.load(source + place + HALF, mask=inside, other=0.0).to(tl.float32)
    tl.store(target + place, (low * cosine - high * sine).to(target.dtype.element_ty), mask=inside)
    tl.store(target + place + HALF, (high * cosine + low * sine).to(target.dtype.element_ty), mask=inside)


@triton.jit
def _rope_kernel(
    q_in, k_in, v_in, q_out, k_out, v_out, cos, sin,
    q_in_stride, k_in_stride, v_in_stride, q_out_stride, k_out_stride, v_out_stride, cos_rows, q_heads, k_heads,
    SIGN: tl.constexpr, HALF: tl.constexpr, Q_HEADS: tl.constexpr, K_HEADS: tl.constexpr, LANES: tl.constexpr,
    V_BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, LANES)
    place = (row % cos_rows) * (2 * HALF) + lane
    cosine = tl.load(cos + place, mask=lane < HALF, other=0.0).to(tl.float32)[None, :]
    sine = tl.load(sin + place, mask=lane < HALF, other=0.0).to(tl.float32)[None, :] * SIGN
    _rotate(q_in + row * q_in_stride, q_out + row * q_out_stride, cosine, sine, q_heads, HALF, Q_HEADS, LANES)
    _rotate(k_in + row * k_in_stride, k_out + row * k_out_stride, cosine, sine, k_heads, HALF, K_HEADS, LANES)
    cols = tl.arange(0, V_BLOCK)
    inside = cols < k_heads * 2 * HALF
    value = tl.load(v_in + row * v_in_stride + cols, mask=inside)
    tl.store(v_out + row * v_out_stride + cols, value, mask=inside)


def rotate(
    sources: tuple[Tensor, Tensor, Tensor], targets: tuple[Tensor, Tensor, Tensor], cos: Tensor, sin: Tensor,
    head_width: int, sign: float,
) -> None:  # fmt: skip
    """See `ftlab.kernels.rope.rotate`."""
    sources = tuple(source if source.stride(-1) == 1 else source.contiguous() for source in sources)  # type: ignore[assignment]
    q_heads, k_heads = sources[0].shape[1] // head_width, sources[1].shape[1] // head_width
    half = head_width // 2
    _rope_kernel[(sources[0].shape[0],)](
        *sources, *targets, cos, sin, *(tensor.stride(0) for tensor in (*sources, *targets)), cos.shape[0],
        q_heads, k_heads, SIGN=sign, HALF=half, Q_HEADS=triton.next_power_of_2(q_heads),
        K_HEADS=triton.next_power_of_2(k_heads), LANES=triton.next_power_of_2(half),
        V_BLOCK=triton.next_power_of_2(k_heads * head_width), num_warps=4,
    )  # fmt: skip
