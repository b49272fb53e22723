# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202, SIM108  (a kernel takes pointers and numbers; Triton gives them their types)
"""RMSNorm of whole rows, with the residual addition before it and after it (backward) in the same pass.

Counterpart: `ftlab.kernels.norm`. One program a row; a row is held in registers.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _norm_forward_kernel(
    x, branch, weight, total, out, rstd, x_stride, width, eps,
    ADD: tl.constexpr, CENTRED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    inside = cols < width
    value = tl.load(x + row * x_stride + cols, mask=inside, other=0.0).to(tl.float32)
    if ADD:
        value += tl.load(branch + row * width + cols, mask=inside, other=0.0).to(tl.float32)
        rounded = value.to(total.dtype.element_ty)
        tl.store(total + row * width + cols, rounded, mask=inside)
        value = rounded.to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(value * value, axis=0) / width + eps)
    tl.store(rstd + row, scale)
    factor = tl.load(weight + cols, mask=inside, other=0.0).to(tl.float32)
    normed = value * scale
    if CENTRED:
        normed = normed * (1.0 + factor)
    else:
        normed = normed.to(out.dtype.element_ty).to(tl.float32) * factor
    tl.store(out + row * width + cols, normed.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _norm_backward_kernel(
    dout, dtotal, x, weight, rstd, dx, dout_stride, dtotal_stride, x_stride, width,
    ADD: tl.constexpr, CENTRED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    inside = cols < width
    factor = tl.load(weight + cols, mask=inside, other=0.0).to(tl.float32)
    if CENTRED:
        factor += 1.0
    scale = tl.load(rstd + row)
    unit = tl.load(x + row * x_stride + cols, mask=inside, other=0.0).to(tl.float32) * scale
    grad = tl.load(dout + row * dout_stride + cols, mask=inside, other=0.0).to(tl.float32) * factor
    grad = tl.where(inside, grad, 0.0)
    mean = tl.sum(grad * unit, axis=0) / width
    result = scale * (grad - unit * mean)
    if ADD:
        result += tl.load(dtotal + row * dtotal_stride + cols, mask=inside, other=0.0).to(tl.float32)
    tl.store(dx + row * width + cols, result.to(dx.dtype.element_ty), mask=inside)


def norm_forward(
    x: Tensor, branch: Tensor | None, weight: Tensor, eps: float, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """See `ftlab.kernels.norm.norm_forward`."""
    rows, width = x.shape
    out = torch.empty((rows, width), dtype=x.dtype, device=x.device)
    total = x if branch is None else torch.empty_like(out)
    rstd = torch.empty(rows, dtype=torch.float32, device=x.device)
    _norm_forward_kernel[(rows,)](
        x, x if branch is None else branch, weight, total, out, rstd, x.stride(0), width, eps,
        ADD=branch is not None, CENTRED=centred, BLOCK=triton.next_power_of_2(width), num_warps=_warps(width),
    )  # fmt: skip
    return total, out, rstd


def norm_backward(
    dout: Tensor, dtotal: Tensor | None, x: Tensor, weight: Tensor, rstd: Tensor, centred: bool
) -> Tensor:
    """See `ftlab.kernels.norm.norm_backward`."""
    rows, width = x.shape
    dout = _lines(dout)
    dtotal = None if dtotal is None else _lines(dtotal)
    dx = torch.empty((rows, width), dtype=x.dtype, device=x.device)
    _norm_backward_kernel[(rows,)](
        dout, dout if dtotal is None else dtotal, x, weight, rstd, dx,
        dout.stride(0), dout.stride(0) if dtotal is None else dtotal.stride(0), x.stride(0), width,
        ADD=dtotal is not None, CENTRED=centred, BLOCK=triton.next_power_of_2(width), num_warps=_warps(width),
    )  # fmt: skip
    return dx


def _warps(width: int) -> int:
    return 4 if width <= 2048 else 8 if width <= 8192 else 16


def _lines(tensor: Tensor) -> Tensor:
    """The kernels take lines that are apart, not elements that are (gradients of a sum have stride 0)."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()
