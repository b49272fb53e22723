"""RMSNorm with the residual stream's additions in the same pass.

A layer reads the stream x, adds a branch to it and norms the sum; in backward the stream's own gradient and the one
through the norm are added. Both additions ride along here instead of passing over the stream again.

Forward   s = x + b,  r = 1/√(mean(s²) + eps),  out = w · s·r   (Gemma: (1 + w) · s·r, rounded once)
Backward  g = w · dout,  ds = r·(g − ŝ·mean(g·ŝ)) + dtotal  with ŝ = s·r;  db = dx = ds

Only s and r are kept. The weight is frozen. Shape letters: T tokens, C channels.
"""

from typing import Any

import torch
from torch import Tensor

from ftlab.kernels.device import uses_triton


def norm_forward(
    x_TC: Tensor, branch_TC: Tensor | None, weight_C: Tensor, eps: float, centred: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum, its norm and 1/RMS.

    Args:
        x_TC: The residual stream.
        branch_TC: What is added to it first; None = nothing.
        weight_C: Scale of each channel.
        eps: Keeps the root finite.
        centred: The weight is stored as its difference from 1, and the result is rounded once (Gemma).

    Returns:
        Sum [T, C] (`x_TC` itself without a branch), norm [T, C], 1/RMS [T] float32.
    """
    if uses_triton(x_TC):
        from ftlab.kernels.gpu.norm import norm_forward as kernel

        return kernel(x_TC, branch_TC, weight_C, eps, centred)
    total_TC = x_TC if branch_TC is None else x_TC + branch_TC
    wide_TC = _wide(total_TC)
    rstd_T1 = torch.rsqrt(wide_TC.pow(2).mean(-1, keepdim=True) + eps)
    unit_TC = wide_TC * rstd_T1
    centred_TC = (unit_TC * (1.0 + _wide(weight_C))).to(x_TC.dtype) if centred else None
    out_TC = weight_C * unit_TC.to(x_TC.dtype) if centred_TC is None else centred_TC
    return total_TC, out_TC, rstd_T1.squeeze(-1)


def norm_backward(
    dout_TC: Tensor, dtotal_TC: Tensor | None, x_TC: Tensor, weight_C: Tensor, rstd_T: Tensor, centred: bool
) -> Tensor:
    """Gradient of the sum.

    Args:
        dout_TC: Gradient of the norm.
        dtotal_TC: Gradient that reaches the sum by other ways; None = none.
        x_TC: The sum.
        weight_C: As in forward.
        rstd_T: As returned by forward.
        centred: As in forward.
    """
    if uses_triton(x_TC):
        from ftlab.kernels.gpu.norm import norm_backward as kernel

        return kernel(dout_TC, dtotal_TC, x_TC, weight_C, rstd_T, centred)
    factor_C = _wide(weight_C) + 1.0 if centred else _wide(weight_C)
    rstd_T1 = rstd_T[:, None]
    unit_TC = _wide(x_TC) * rstd_T1
    grad_TC = _wide(dout_TC) * factor_C
    result_TC = rstd_T1 * (grad_TC - unit_TC * (grad_TC * unit_TC).mean(-1, keepdim=True))
    if dtotal_TC is not None:
        result_TC = result_TC + dtotal_TC
    return result_TC.to(x_TC.dtype)


class _Norm(torch.autograd.Function):
    """(stream, branch or None) → (sum, norm)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, branch: Tensor | None, weight: Tensor, eps: float, centred: bool
    ) -> tuple[Tensor, Tensor]:
        flat_TC = x.reshape(-1, x.shape[-1])
        branch_TC = None if branch is None else branch.reshape(flat_TC.shape).contiguous()
        total_TC, out_TC, rstd_T = norm_forward(flat_TC, branch_TC, weight, eps, centred)
        ctx.save_for_backward(total_TC, weight, rstd_T)
        ctx.centred, ctx.adds = centred, branch is not None
        return x.view_as(x) if branch is None else total_TC.view_as(x), out_TC.view_as(x)

    @staticmethod
    def backward(ctx: Any, dtotal: Tensor | None, dout: Tensor) -> tuple[Tensor | None, ...]:
        total_TC, weight, rstd_T = ctx.saved_tensors
        flat = None if dtotal is None else dtotal.reshape(total_TC.shape)
        dx = norm_backward(dout.reshape(total_TC.shape), flat, total_TC, weight, rstd_T, ctx.centred).view_as(dout)
        return dx, dx if ctx.adds else None, None, None, None


def add_norm(x: Tensor, branch: Tensor | None, weight_C: Tensor, eps: float, centred: bool) -> tuple[Tensor, Tensor]:
    """Adds a branch to the residual stream and norms the sum.

    Args:
        x: The stream, [..., C].
        branch: [..., C], or None: nothing is added. Go on with the returned stream all the same: its gradient is
            then added inside the norm's backward pass.
        weight_C: Frozen.
        eps: Keeps the root finite.
        centred: The weight is stored as its difference from 1 (Gemma).

    Returns:
        The stream and its norm, both [..., C].
    """
    return _Norm.apply(x, branch, weight_C, eps, centred)  # type: ignore[no-any-return,no-untyped-call]


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
