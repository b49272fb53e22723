"""Frozen products on FP8 tensor cores: twice the rate of 16 bits, and not exact (opt-in).

Weights W [O, I] are held as e4m3 with one scale c for each output: W ≈ diag(c) W8. Activations are quantised once for
a block's input, with one scale a token.

Forward   x ≈ diag(s) x8,           y = diag(s) (x8 W8ᵀ) diag(c)
Backward  dy · diag(c) ≈ diag(t) d8,  dx = diag(t) (d8 W8)          (the weights' scales go into dy before rounding)

LoRA, head and attention stay in 16 bits. Shape letters: T tokens, I inputs, O outputs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ftlab.kernels.device import uses_triton
from ftlab.kernels.frozen import Room, Stack
from ftlab.kernels.nf4 import dequantize_into, quantization_of

E4M3 = torch.float8_e4m3fn
E4M3_MAX = 448.0
_TINY = 1e-30
"""The least scale. Gradients of a mean over many tokens are small: a line of 1e-12 must keep its digits."""


def quantise_rows(x_TI: Tensor, factor_I: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Lines in FP8, each with the scale that takes its largest element to the largest number.

    Args:
        x_TI: Lines; they may be apart.
        factor_I: Multiplies the columns first, float32; None = nothing.

    Returns:
        [T, I] e4m3 and [T, 1] float32, whose product is x · factor to rounding.
    """
    if uses_triton(x_TI):
        from ftlab.kernels.gpu.fp8 import quantise_rows as kernel

        return kernel(x_TI, factor_I)
    wide_TI = x_TI.float() if factor_I is None else x_TI.float() * factor_I
    scales_T1 = (wide_TI.abs().amax(-1, keepdim=True) / E4M3_MAX).clamp(min=_TINY)
    return (wide_TI / scales_T1).to(E4M3), scales_T1


def turned(weights_OI: Tensor) -> Tensor:
    """FP8 weights [I, O], contiguous."""
    if uses_triton(weights_OI):
        from ftlab.kernels.gpu.fp8 import turned as kernel

        return kernel(weights_OI)
    return weights_OI.view(torch.uint8).t().contiguous().view(E4M3)


class Fp8Linear(nn.Linear):
    """A frozen linear layer whose weight is FP8 with one float32 scale an output: 1 byte a parameter.

    By itself it multiplies by unpacked weights, in the dtype of its input or of autocast; they are unpacked again in
    backward, not kept. Products in FP8 are those of `Fp8Stack`.

    The weight is held as bytes: whoever casts or adapts itself to weights of a floating dtype (PEFT gives adapters
    the dtype of their base) would take 8 bits for one to compute in.

    Args:
        linear: The layer it stands for. Its weight is rounded; on the meta device it has none yet.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        weight, scales = quantise_rows(linear.weight.data)
        self.weight = nn.Parameter(weight.view(torch.uint8), requires_grad=False)
        self.bias = linear.bias
        self.register_buffer("scales", scales)
        self.scales: Tensor

    @property
    def weight8(self) -> Tensor:
        """The weight [O, I] as e4m3, without its scales."""
        return self.weight.data.view(E4M3)

    def unpack_into(self, out_OI: Tensor) -> None:
        """Writes the weight that the bytes stand for, in the dtype of `out_OI`."""
        out_OI.copy_(self.weight8).mul_(self.scales)

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """The weight [O, I] that the bytes stand for."""
        out_OI = torch.empty(self.weight.shape, dtype=dtype, device=self.weight.device)
        self.unpack_into(out_OI)
        return out_OI

    def forward(self, input: Tensor) -> Tensor:
        """The product with unpacked weights."""
        kind = input.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else input.dtype
        product: Tensor = _UnpackedProduct.apply(input.to(dtype), self)  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias.to(dtype)


class _UnpackedProduct(torch.autograd.Function):
    """x → x Wᵀ; W is unpacked for each product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Fp8Linear) -> Tensor:
        ctx.layer = layer
        return x @ layer.unpacked(x.dtype).t()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy @ ctx.layer.unpacked(dy.dtype), None


class Fp8Stack(Stack):
    """Frozen weights multiplied in FP8: held so, or unpacked from 4 bits for each product.

    Args:
        layers: `Fp8Linear`, `Linear4bit` or `nn.Linear` layers of one kind. Those of `nn.Linear` keep their weights
            beside the FP8 ones.
        ranks: R.
    """

    def __init__(self, layers: list[Any], ranks: int) -> None:
        super().__init__(layers, ranks)
        self._layers = layers
        self._held_OI: Tensor | None = None
        self._turned_IO: Tensor | None = None
        if type(layers[0]).__name__ == "Linear4bit":
            self._scales_O = torch.cat([_row_scales(layer) for layer in layers])
        else:
            parts = [
                (layer.weight8, layer.scales) if isinstance(layer, Fp8Linear) else quantise_rows(layer.weight.data)
                for layer in layers
            ]
            self._held_OI = torch.cat([part.view(torch.uint8) for part, _ in parts]).view(E4M3)
            self._scales_O = torch.cat([scales for _, scales in parts]).flatten()
            _share(layers, self._held_OI)

    def needed_bytes(self) -> int:
        """What `hold` would take."""
        return self.outputs * self.inputs * (1 if self._held_OI is not None else 2)

    def hold(self) -> None:
        """Keeps the weights in FP8, also turned over, so that no product has to make them."""
        if self._held_OI is None:
            self._held_OI = self._weights(turn=False)
        self._turned_IO = turned(self._held_OI)

    def takes(self, x: Tensor) -> bool:
        """Inputs in bfloat16 (also others on a CPU, where the arithmetic is only imitated)."""
        return x.dtype == torch.bfloat16 or not x.is_cuda

    def product(self, x_TI: Tensor, out_TO: Tensor) -> None:
        """Writes x Wᵀ + bias."""
        x8_TI, scales_T1 = quantise_rows(x_TI)
        bias = None if self.bias_O is None else self.bias_O.to(out_TO.dtype)
        _multiply8(x8_TI, self._weights(turn=False), scales_T1, self._scales_O[None], bias, out_TO)

    def back(self, dy_TO: Tensor) -> Tensor:
        """The product dy W [T, I]."""
        dy8_TO, scales_T1 = quantise_rows(dy_TO, self._scales_O)
        dx_TI = dy_TO.new_empty(dy_TO.shape[0], self.inputs)
        ones_1I = torch.ones(1, self.inputs, device=dy_TO.device)
        _multiply8(dy8_TO, self._weights(turn=True), scales_T1, ones_1I, None, dx_TI)
        return dx_TI

    def back_with(self, room: Room, a_RI: Tensor) -> Tensor:
        """FP8 for W, 16 bits for A."""
        dx_TI = self.back(room.outputs)
        return dx_TI.addmm_(room.projected, a_RI) if self.ranks else dx_TI

    def room(self, like: Tensor) -> Room:
        """Outputs and projection apart: no product reads both."""
        return self.room_in(like.new_empty(like.shape[0], self.outputs))

    def room_in(self, whole: Tensor) -> Room:
        """See `room`."""
        return Room(whole, whole.new_empty(whole.shape[0], self.ranks), whole)

    def _weights(self, turn: bool) -> Tensor:
        """W8 [O, I], or [I, O] turned over."""
        if turn and self._turned_IO is not None:
            return self._turned_IO
        if self._held_OI is not None:
            return turned(self._held_OI) if turn else self._held_OI
        shape = (self.inputs, self.outputs) if turn else (self.outputs, self.inputs)
        out = torch.empty(shape, dtype=E4M3, device=self._scales_O.device)
        place = 0
        for layer, width in zip(self._layers, self.widths, strict=True):
            _unpack8(layer, self._scales_O, place, out, turn)
            place += width
        return out


def _multiply8(
    left8: Tensor, right8: Tensor, left_scales: Tensor, right_scales: Tensor, bias: Tensor | None, out: Tensor
) -> None:
    """Writes diag(left scales) (left8 right8ᵀ) diag(right scales) + bias."""
    if left8.is_cuda:
        torch._scaled_mm(
            left8, right8.t(), scale_a=left_scales, scale_b=right_scales, bias=bias, out_dtype=out.dtype,
            use_fast_accum=True, out=out,
        )  # fmt: skip
        return
    result = (left8.float() @ right8.float().t()) * left_scales * right_scales
    out.copy_(result if bias is None else result + bias)


def _unpack8(layer: Any, scales_O: Tensor, place: int, out: Tensor, turn: bool) -> None:
    """Writes one 4-bit layer's weights in FP8 where its outputs stand in `out`."""
    width, inputs = int(layer.out_features), int(layer.in_features)
    if uses_triton(out) and layer.weight.quant_state.quant_type == "nf4":
        from ftlab.kernels.gpu.fp8 import unpack_nf4

        packed, codes, scales, nested = quantization_of(layer.weight)
        unpack_nf4(packed, codes, scales, nested, (width, inputs), scales_O, place, out, turn)
        return
    dense_OI = torch.empty(width, inputs, device=out.device)
    dequantize_into(dense_OI, layer.weight)
    dense8_OI = (dense_OI / scales_O[place : place + width, None]).to(E4M3)
    target = out[:, place : place + width] if turn else out[place : place + width]
    target.view(torch.uint8).copy_((dense8_OI.t() if turn else dense8_OI).view(torch.uint8))


def _row_scales(layer: Any) -> Tensor:
    """[O] float32: the largest weight of each output over the largest FP8 number."""
    dense_OI = torch.empty(layer.out_features, layer.in_features, device=layer.weight.device)
    dequantize_into(dense_OI, layer.weight)
    return (dense_OI.abs().amax(1) / E4M3_MAX).clamp(min=_TINY)


def _share(layers: list[Any], held_OI: Tensor) -> None:
    """Lets `Fp8Linear` layers read their weights from the stack's tensor: nothing is held twice."""
    place = 0
    for layer in layers:
        width = int(layer.out_features)
        if isinstance(layer, Fp8Linear):
            layer.weight.data = held_OI[place : place + width].view(torch.uint8)
        place += width
