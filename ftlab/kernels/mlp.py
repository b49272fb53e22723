"""A gated MLP with LoRA in one autograd function: down(act(gate x) · up x).

Kept for backward: x, the products W x of gate and up, and projections on the small ranks. The gradients of gate and
up are written over their values, so a graph can run backward once. `recompute` keeps x only: gate and up, over half
of what a layer keeps, are multiplied again in backward (bit-equal, a quarter of the layer's forward products).

Shape letters: T tokens, I inputs, F width of the MLP, R ranks.
"""

from typing import Any

import torch
from torch import Tensor

from ftlab.kernels.device import product_f32
from ftlab.kernels.gated import gated_backward, gated_forward
from ftlab.kernels.linear import Linears
from ftlab.kernels.recompute import is_run_again


class Mlp:
    """The layers of a gated MLP.

    Args:
        gate_up: Gate and up.
        down: Down.
        tanh: GELU in its tanh form in place of SiLU.

    Attributes:
        recompute: Whether gate and up are multiplied again in backward.
        is_last: Whether what it returns is only added to the residual stream: where the layer is run again in
            backward, nobody reads that, and the product that makes it is left out.
    """

    def __init__(self, gate_up: Linears, down: Linears, *, tanh: bool) -> None:
        self.gate_up, self.down, self.tanh = gate_up, down, tanh
        self.recompute = self.is_last = False

    def ready(self, x: Tensor) -> bool:
        """Whether the fused path may run now."""
        return self.gate_up.ready(x) and self.down.ready(x)

    def in_one(self, training: bool) -> bool:
        """Whether the whole block runs as one function: no dropout now, and gate and up are two layers."""
        adapters = self.gate_up.adapters + self.down.adapters
        return len(self.gate_up.adapters) == 2 and not (training and any(a.dropout for a in adapters))


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TI: Tensor, mlp: Mlp, *weights: Tensor) -> Tensor:
        split = 2 * sum(rank > 0 for rank in mlp.gate_up.ranks)
        a_RI, (gate_b, up_b) = mlp.gate_up.cast(weights[:split], x_TI)
        down_a, (down_b,) = mlp.down.cast(weights[split:], x_TI)
        room = mlp.gate_up.stack.room(x_TI)
        gate_up = room.outputs
        mlp.gate_up.stack.product(x_TI, gate_up)
        p_TR = mlp.gate_up.project(x_TI, a_RI, [None, None]) if a_RI.shape[0] else x_TI.new_empty(x_TI.shape[0], 0)
        hidden_TF = gated_forward(gate_up, p_TR, gate_b, up_b, mlp.tanh)
        out_TI = x_TI.new_empty(x_TI.shape[0], mlp.down.stack.outputs)
        is_read = not (mlp.is_last and is_run_again())
        if is_read:
            mlp.down.stack.product(hidden_TF, out_TI)
        h_TR = mlp.down.project(hidden_TF, down_a, [None]) if down_a.shape[0] else x_TI.new_empty(x_TI.shape[0], 0)
        if down_a.shape[0] and is_read:
            out_TI.addmm_(h_TR, down_b.t())
        ctx.mlp, ctx.spent = mlp, False
        whole = None if mlp.recompute else room.whole
        ctx.save_for_backward(x_TI, whole, p_TR, h_TR, a_RI, gate_b, up_b, down_a, down_b)
        return out_TI

    @staticmethod
    def backward(ctx: Any, dy_TI: Tensor) -> Any:
        mlp: Mlp = ctx.mlp
        if ctx.spent:
            raise RuntimeError("The fused MLP writes over what it kept: run backward once, without retain_graph.")
        x_TI, whole, p_TR, h_TR, a_RI, gate_b, up_b, down_a, down_b = ctx.saved_tensors
        stack = mlp.gate_up.stack
        room = stack.room(x_TI) if whole is None else stack.room_in(whole)
        if whole is None:
            stack.product(x_TI, room.outputs)
        ctx.spent = whole is not None
        q_down_TR = x_TI.new_empty(dy_TI.shape[0], down_a.shape[0])
        mlp.down.project_back(dy_TI, [down_b], q_down_TR)
        grad_down_b = product_f32(dy_TI.t(), h_TR)
        grad_gate_b, grad_up_b, grad_down_a = gated_backward(
            mlp.down.stack.back(dy_TI), room.outputs, p_TR, gate_b, up_b, q_down_TR, down_a, mlp.tanh
        )
        mlp.gate_up.project_back(room.outputs, [gate_b, up_b], room.projected)
        grad_a = product_f32(room.projected.t(), x_TI)
        dx_TI = stack.back_with(room, a_RI) if ctx.needs_input_grad[0] else None
        grads = mlp.gate_up.gradients(grad_a, [grad_gate_b, grad_up_b])
        return dx_TI, None, *grads, *mlp.down.gradients(grad_down_a, [grad_down_b])


def lora_mlp(x: Tensor, mlp: Mlp) -> Tensor:
    """down(act(gate x) · up x) with LoRA on each, without dropout: [..., I] → [..., I]."""
    weights = [*mlp.gate_up.weights(), *mlp.down.weights()]
    out_TI: Tensor = _Mlp.apply(x.reshape(-1, x.shape[-1]), mlp, *weights)  # type: ignore[no-untyped-call]
    out: Tensor = out_TI.view(x.shape)
    return out
