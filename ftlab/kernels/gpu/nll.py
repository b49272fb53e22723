# mypy: disable-error-code="no-untyped-def, import-untyped"
# ruff: noqa: ANN001, ANN202  (a kernel takes pointers and numbers; Triton gives them their types)
"""Negative log-likelihood of a chunk of logits, and its gradient written over them.

Counterpart: `ftlab.kernels.loss`. One program a token: two passes over its logits, the second from the cache where
it holds them.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _nll_kernel(
    logits, targets, losses, stride, width, scale, cap,
    CAPPED: tl.constexpr, GRAD: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    base = logits + row * stride
    target = tl.load(targets + row)
    chosen = tl.load(base + target).to(tl.float32) * scale  # before any other warp may write a gradient there
    top = float("-inf")
    total = 0.0
    for start in range(0, width, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        value = tl.load(base + cols, mask=cols < width, other=float("-inf")).to(tl.float32) * scale
        if CAPPED:
            value = tl.where(cols < width, cap * (2.0 * tl.sigmoid(2.0 * value / cap) - 1.0), float("-inf"))
        highest = tl.maximum(top, tl.max(value, axis=0))
        total = total * tl.exp(top - highest) + tl.sum(tl.exp(value - highest), axis=0)
        top = highest
    if CAPPED:
        chosen = cap * (2.0 * tl.sigmoid(2.0 * chosen / cap) - 1.0)
    log_total = top + tl.log(total)
    tl.store(losses + row, log_total - chosen)
    if GRAD:
        for start in range(0, width, BLOCK):
            cols = start + tl.arange(0, BLOCK)
            value = tl.load(base + cols, mask=cols < width, other=float("-inf")).to(tl.float32) * scale
            slope = scale
            if CAPPED:
                bent = 2.0 * tl.sigmoid(2.0 * value / cap) - 1.0
                value = cap * bent
                slope = scale * (1.0 - bent * bent)
            grad = (tl.exp(value - log_total) - tl.where(cols == target, 1.0, 0.0)) * slope
            tl.store(base + cols, grad.to(logits.dtype.element_ty), mask=cols < width)


def nll_(logits: Tensor, targets: Tensor, scale: float, cap: float | None, grad: bool) -> Tensor:
    """See `ftlab.kernels.loss.nll_`."""
    rows, width = logits.shape
    losses = torch.empty(rows, dtype=torch.float32, device=logits.device)
    _nll_kernel[(rows,)](
        logits, targets, losses, logits.stride(0), width, scale, cap or 1.0,
        CAPPED=cap is not None, GRAD=grad, BLOCK=min(4096, triton.next_power_of_2(width)), num_warps=8,
    )  # fmt: skip
    return losses
