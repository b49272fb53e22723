"""Linear layers with LoRA in one autograd function: several layers that read the same input share what they can.

Forward   y = x Wᵀ,  p = s·x Aᵀ,  y += p Bᵀ                      (layer by layer in the stacked y)
Backward  q = s·dy B,  dB = dyᵀ p,  dA = qᵀ x,  dx = [dy | q] [W; A]

Only x and p are kept. Adapters are cast to the dtype of x once; their gradients come back in their own dtype, summed
in float32 on CUDA. With dropout each adapter draws its mask in the order in which PEFT's layers would.

Shape letters: T tokens, I inputs, O outputs, R ranks of all adapters.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ftlab.kernels import rope
from ftlab.kernels.adapter import Adapter
from ftlab.kernels.device import keeps_dtype, product_f32
from ftlab.kernels.frozen import Room, Stack

Masks = list[Tensor | None]
"""What each adapter's dropout kept, scaled; None where nothing was dropped."""


class Linears:
    """Layers that read the same input, with their adapters.

    Args:
        adapters: The layers, in the order of their outputs.
        stack: Their frozen weights.
    """

    def __init__(self, adapters: Sequence[Adapter], stack: Stack) -> None:
        self.adapters = list(adapters)
        self.stack = stack
        self.ranks = [adapter.rank for adapter in adapters]

    def ready(self, x: Tensor) -> bool:
        """Whether the fused path may run now."""
        return keeps_dtype(x) and self.stack.takes(x) and all(adapter.as_seen() for adapter in self.adapters)

    def weights(self) -> list[Tensor]:
        """A and B of each adapter, in order: what autograd gives gradients to."""
        return [weight for adapter in self.adapters for weight in adapter.weights]

    def cast(self, weights: Sequence[Tensor], like: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All A [R, I] in one tensor and each B [out, r], in the dtype of `like`; r = 0 where no adapter is."""
        a_RI = like.new_empty(sum(self.ranks), self.stack.inputs)
        b_each = [like.new_empty(width, rank) for width, rank in zip(self.stack.widths, self.ranks, strict=True)]
        targets = [
            tensor for pair in zip(a_RI.split(self.ranks), b_each, strict=True) for tensor in pair if tensor.numel()
        ]
        if targets:
            torch._foreach_copy_(targets, list(weights))  # one launch for all of them
        return a_RI, b_each

    def project(self, x_TI: Tensor, a_RI: Tensor, masks: Masks) -> Tensor:
        """Returns p = s·drop(x) Aᵀ [T, R]."""
        p_TR = x_TI.new_empty(x_TI.shape[0], a_RI.shape[0])
        if len({adapter.scale for adapter in self.adapters if adapter.rank}) == 1 and not any(
            m is not None for m in masks
        ):
            return _scaled_mm(x_TI, a_RI.t(), next(a.scale for a in self.adapters if a.rank), p_TR)
        for adapter, a, p, mask in zip(
            self.adapters, a_RI.split(self.ranks), p_TR.split(self.ranks, 1), masks, strict=True
        ):
            if adapter.rank:
                _scaled_mm(x_TI if mask is None else x_TI * mask, a.t(), adapter.scale, p)
        return p_TR

    def project_back(self, dy_TO: Tensor, b_each: list[Tensor], q_TR: Tensor) -> None:
        """Writes q = s·dy B [T, R]."""
        parts = zip(dy_TO.split(self.stack.widths, 1), q_TR.split(self.ranks, 1), strict=True)
        for adapter, b, (dy, q) in zip(self.adapters, b_each, parts, strict=True):
            if adapter.rank:
                _scaled_mm(dy, b, adapter.scale, q)

    def gradients(self, grad_a_RI: Tensor, grad_b_each: list[Tensor]) -> list[Tensor]:
        """Gradients in the order and the dtype of `weights`."""
        result: list[Tensor] = []
        for adapter, grad_a, grad_b in zip(self.adapters, grad_a_RI.split(self.ranks), grad_b_each, strict=True):
            if adapter.rank:
                result += [
                    grad.to(weight.dtype) for grad, weight in zip((grad_a, grad_b), adapter.weights, strict=True)
                ]
        return result


def draw_masks(adapters: Sequence[Adapter], x_TI: Tensor, training: bool) -> Masks:
    """Draws the dropout of each adapter on x, in order, as `nn.Dropout` on the layer's input would."""
    return [
        torch.nn.functional.dropout(torch.ones_like(x_TI), adapter.dropout)
        if training and adapter.rank and adapter.dropout
        else None
        for adapter in adapters
    ]


class _Lora(torch.autograd.Function):
    """x → stacked y; with tables of RoPE → rotated queries, rotated keys and values."""

    @staticmethod
    def forward(
        ctx: Any,
        x_TI: Tensor,
        linears: Linears,
        masks: Masks,
        tables: Any,
        *weights: Tensor,
    ) -> Any:
        a_RI, b_each = linears.cast(weights, x_TI)
        y_TO = x_TI.new_empty(x_TI.shape[0], linears.stack.outputs)
        linears.stack.product(x_TI, y_TO)
        p_TR = linears.project(x_TI, a_RI, masks) if sum(linears.ranks) else x_TI.new_empty(x_TI.shape[0], 0)
        for rank, b, y, p in zip(
            linears.ranks, b_each, y_TO.split(linears.stack.widths, 1), p_TR.split(linears.ranks, 1), strict=True
        ):
            if rank:
                y.addmm_(p, b.t())
        ctx.linears, ctx.tables = linears, tables
        ctx.save_for_backward(x_TI, p_TR, a_RI, *b_each, *masks)  # masks too: recomputation drops only what is saved so
        if tables is None:
            return y_TO
        sources = y_TO.split(linears.stack.widths, 1)
        outputs = tuple(x_TI.new_empty(source.shape) for source in sources)
        cos, sin, width = tables
        rope.rotate(sources, outputs, cos, sin, width, 1.0)  # type: ignore[arg-type]
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x_TI, p_TR, a_RI, *others = ctx.saved_tensors
        linears: Linears = ctx.linears
        b_each, masks = others[: len(linears.ranks)], others[len(linears.ranks) :]
        stack = linears.stack
        room = stack.room(x_TI) if ctx.tables is not None else None
        dy_TO = grads[0] if room is None else room.outputs
        q_TR = torch.empty_like(p_TR) if room is None else room.projected
        if room is not None:
            cos, sin, width = ctx.tables
            rope.rotate(grads, dy_TO.split(stack.widths, 1), cos, sin, width, -1.0)  # type: ignore[arg-type]
        linears.project_back(dy_TO, b_each, q_TR)
        grad_b = [
            product_f32(dy.t(), p)
            for dy, p in zip(dy_TO.split(stack.widths, 1), p_TR.split(linears.ranks, 1), strict=True)
        ]
        grad_a = _grad_a(x_TI, q_TR, linears.ranks, masks)
        dx_TI = _input_gradient(linears, room, dy_TO, q_TR, a_RI, masks) if ctx.needs_input_grad[0] else None
        return dx_TI, None, None, None, *linears.gradients(grad_a, grad_b)


def lora_linear(x: Tensor, linears: Linears, training: bool) -> Tensor:
    """Layers with their adapters, stacked: [..., I] → [..., O]."""
    x_TI = x.reshape(-1, x.shape[-1])
    masks = draw_masks(linears.adapters, x_TI, training)
    y_TO = _Lora.apply(x_TI, linears, masks, None, *linears.weights())  # type: ignore[no-untyped-call]
    return y_TO.unflatten(0, x.shape[:-1])  # type: ignore[no-any-return]


def lora_attention_inputs(
    x: Tensor, linears: Linears, cos: Tensor, sin: Tensor, head_width: int, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Rotated queries and keys, and values: [B, S, I] → three of [B, heads, S, head width].

    Args:
        x: The normed residual stream.
        linears: Query, key and value layers.
        cos: [1 or B, S, head width].
        sin: [1 or B, S, head width].
        head_width: Channels of a head.
        training: Whether dropout is drawn.
    """
    x_TI = x.reshape(-1, x.shape[-1])
    masks = draw_masks(linears.adapters, x_TI, training)
    tables = (cos.reshape(-1, head_width).contiguous(), sin.reshape(-1, head_width).contiguous(), head_width)
    outputs = _Lora.apply(x_TI, linears, masks, tables, *linears.weights())  # type: ignore[no-untyped-call]
    return tuple(  # type: ignore[return-value]
        output.unflatten(0, x.shape[:-1]).unflatten(-1, (-1, head_width)).transpose(1, 2) for output in outputs
    )


def _input_gradient(
    linears: Linears, room: Room | None, dy_TO: Tensor, q_TR: Tensor, a_RI: Tensor, masks: Masks
) -> Tensor:
    if room is not None and not any(mask is not None for mask in masks):
        return linears.stack.back_with(room, a_RI)
    dx_TI = linears.stack.back(dy_TO)
    parts = zip(linears.ranks, q_TR.split(linears.ranks, 1), a_RI.split(linears.ranks), masks, strict=True)
    for rank, q, a, mask in parts:
        if rank and mask is None:
            dx_TI.addmm_(q, a)
        elif rank:
            dx_TI += (q @ a) * mask
    return dx_TI


def _grad_a(x_TI: Tensor, q_TR: Tensor, ranks: list[int], masks: Masks) -> Tensor:
    if not any(mask is not None for mask in masks):
        return product_f32(q_TR.t(), x_TI)
    parts = zip(q_TR.split(ranks, 1), masks, strict=True)
    return torch.cat([product_f32(q.t(), x_TI if mask is None else x_TI * mask) for q, mask in parts])


def _scaled_mm(left: Tensor, right: Tensor, scale: float, out: Tensor) -> Tensor:
    """Out = scale · left right, the scale inside the product's float32 sums."""
    return torch.addmm(out, left, right, beta=0.0, alpha=scale, out=out)
