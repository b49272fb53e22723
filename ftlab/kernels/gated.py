"""The middle of a gated MLP: h = act(g) · u, where gate g and up u still lack their low-rank parts.

The projections leave W x; the low-rank parts B (s·A x) are added here, while the tile is in registers, so that they
cost no pass over the widest tensor of the model. Backward recomputes g, u and h from what forward left, adds the
low-rank part of the gradient of h in the same way, and writes the gradients of g and u over them.

Shape letters: T tokens, F width of the MLP, r ranks.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ftlab.kernels.device import uses_triton


def gated_forward(gate_up: Tensor, projected: Tensor, gate_b: Tensor, up_b: Tensor, tanh: bool) -> Tensor:
    """H [T, F].

    Args:
        gate_up: [T, 2F], W x of gate, then of up; lines may be apart.
        projected: [T, ≥ r_gate + r_up], s·A x of gate, then of up.
        gate_b: [F, r_gate]; r may be 0.
        up_b: [F, r_up].
        tanh: GELU in its tanh form (Gemma) in place of SiLU.
    """
    if uses_triton(gate_up):
        from ftlab.kernels.gpu.gated import gated_forward as kernel

        return kernel(gate_up, projected, gate_b, up_b, tanh)
    gate_TF, up_TF = _complete(gate_up, projected, gate_b, up_b)
    return _activate(gate_TF, tanh)[0] * up_TF


def gated_backward(
    dhidden_TF: Tensor,
    gate_up: Tensor,
    projected: Tensor,
    gate_b: Tensor,
    up_b: Tensor,
    dprojected: Tensor,
    down_a: Tensor,
    tanh: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients; those of gate and up are written over `gate_up`, and `dhidden_TF` is used up.

    Args:
        dhidden_TF: W_downᵀ dy, without its low-rank part.
        gate_up: As in forward; overwritten.
        projected: As in forward.
        gate_b: As in forward.
        up_b: As in forward.
        dprojected: [T, r_down], s·B_downᵀ dy.
        down_a: [r_down, F].
        tanh: As in forward.

    Returns:
        Gradients of `gate_b`, `up_b` and `down_a`.
    """
    if uses_triton(gate_up):
        from ftlab.kernels.gpu.gated import gated_backward as kernel

        return kernel(dhidden_TF, gate_up, projected, gate_b, up_b, dprojected, down_a, tanh)
    gate_TF, up_TF = _complete(gate_up, projected, gate_b, up_b)
    value_TF, derivative_TF = _activate(gate_TF, tanh)
    grad_TF = dhidden_TF + dprojected @ down_a
    width, gate_rank, up_rank = gate_b.shape[0], gate_b.shape[1], up_b.shape[1]
    grad_gate_TF, grad_up_TF = gate_up[:, :width], gate_up[:, width:]
    torch.mul(grad_TF * up_TF, derivative_TF, out=grad_gate_TF)
    torch.mul(grad_TF, value_TF, out=grad_up_TF)
    grad_gate_b = grad_gate_TF.t() @ projected[:, :gate_rank]
    grad_up_b = grad_up_TF.t() @ projected[:, gate_rank : gate_rank + up_rank]
    return grad_gate_b, grad_up_b, dprojected.t() @ (value_TF * up_TF)


def _complete(gate_up: Tensor, projected: Tensor, gate_b: Tensor, up_b: Tensor) -> tuple[Tensor, Tensor]:
    """Gate and up [T, F] with their low-rank parts."""
    width, gate_rank, up_rank = gate_b.shape[0], gate_b.shape[1], up_b.shape[1]
    gate_TF = torch.addmm(gate_up[:, :width], projected[:, :gate_rank], gate_b.t())
    up_TF = torch.addmm(gate_up[:, width:], projected[:, gate_rank : gate_rank + up_rank], up_b.t())
    return gate_TF, up_TF


def _activate(x: Tensor, tanh: bool) -> tuple[Tensor, Tensor]:
    """The activation and its derivative."""
    if not tanh:
        sigmoid = torch.sigmoid(x)
        return functional.silu(x), sigmoid * (1 + x * (1 - sigmoid))
    root = 0.7978845608028654
    bent = torch.tanh(root * (x + 0.044715 * x**3))
    slope = root * (1 + 3 * 0.044715 * x**2)
    return functional.gelu(x, approximate="tanh"), 0.5 * (1 + bent) + 0.5 * x * (1 - bent**2) * slope
