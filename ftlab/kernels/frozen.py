"""Frozen weights of layers that read the same input, stacked: one product where the model has two or three.

A stack knows two products: forward y = x Wᵀ and backward dx = dy W. It never has gradients of its own. Backward can
take the low-rank part along: with dy and the projection of dy on the adapters side by side, and W and the adapters'
A one below the other, the inner dimension grows by the ranks and no pass over dx has to add anything.

Shape letters: T tokens, I inputs, O outputs of all layers, R ranks of all adapters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_LINE = 64
"""Lines of widened tensors begin at multiples of this many elements: 128 bytes in 16 bits."""


@dataclass(frozen=True, slots=True)
class Room:
    """Outputs of a stack, or their gradients, and beside them their projection on the adapters.

    Attributes:
        outputs: [T, O].
        projected: [T, R].
        whole: What holds both where they lie side by side in one tensor; the outputs where they don't.
    """

    outputs: Tensor
    projected: Tensor
    whole: Tensor


class Stack(ABC):
    """Frozen weights W [O, I].

    Args:
        layers: The base's linear layers, in the order of their outputs.
        ranks: R, ranks of all adapters on them.

    Attributes:
        widths: Outputs of each layer.
        inputs: I.
        outputs: O.
        bias_O: All biases; None without any.
    """

    def __init__(self, layers: list[Any], ranks: int) -> None:
        self.widths = [int(layer.out_features) for layer in layers]
        self.inputs, self.outputs, self.ranks = int(layers[0].in_features), sum(self.widths), ranks
        self.bias_O = _stacked_bias(layers)

    @abstractmethod
    def takes(self, x: Tensor) -> bool:
        """Whether the products exist in the dtype and on the device of x."""

    @abstractmethod
    def product(self, x_TI: Tensor, out_TO: Tensor) -> None:
        """Writes x Wᵀ + bias."""

    @abstractmethod
    def back(self, dy_TO: Tensor) -> Tensor:
        """The product dy W [T, I]."""

    @abstractmethod
    def back_with(self, room: Room, a_RI: Tensor) -> Tensor:
        """The sum dy W + q A [T, I], from dy and q in a room."""

    def room(self, like: Tensor) -> Room:
        """An empty room for as many tokens as `like` [T, …] has."""
        columns = self.outputs + self.ranks
        line = -(-columns // _LINE) * _LINE if self.ranks else columns
        return self.room_in(like.new_empty(like.shape[0], line))

    def room_in(self, whole: Tensor) -> Room:
        """The room that `whole` of another one holds."""
        columns = self.outputs + self.ranks
        return Room(whole[:, : self.outputs], whole[:, self.outputs : columns], whole)

    def _multiply(self, x_TI: Tensor, weights_OI: Tensor, out_TO: Tensor) -> None:
        if self.bias_O is None:
            torch.mm(x_TI, weights_OI.t(), out=out_TO)
        else:
            torch.addmm(self.bias_O.to(x_TI.dtype), x_TI, weights_OI.t(), out=out_TO)


class DenseStack(Stack):
    """Weights in 16 or 32 bits, moved into one tensor with room for A below; the layers' parameters become views of it.

    Values, names and saving stay as they were: only the storage is shared.

    Args:
        layers: `nn.Linear` layers of one dtype.
        ranks: R.
        weights: Weights to hold in place of the layers' own (unpacked from fewer bits); the layers stay untouched.
    """

    def __init__(self, layers: list[Any], ranks: int, weights: Tensor | None = None) -> None:
        super().__init__(layers, ranks)
        first = layers[0].weight if weights is None else weights
        self._storage = torch.empty(self.outputs + ranks, self.inputs, dtype=first.dtype, device=first.device)
        self._views: list[tuple[Any, int]] = []
        if weights is not None:
            self._storage[: self.outputs] = weights
            return
        place = 0
        for layer, width in zip(layers, self.widths, strict=True):
            view = self._storage[place : place + width]
            view.copy_(layer.weight.data)
            layer.weight.data = view
            self._views.append((layer, view.data_ptr()))
            place += width

    def takes(self, x: Tensor) -> bool:
        """Same dtype, and nobody replaced a layer's weight since."""
        return x.dtype == self._storage.dtype and all(layer.weight.data_ptr() == at for layer, at in self._views)

    def product(self, x_TI: Tensor, out_TO: Tensor) -> None:
        """Writes x Wᵀ + bias."""
        self._multiply(x_TI, self._storage[: self.outputs], out_TO)

    def back(self, dy_TO: Tensor) -> Tensor:
        """The product dy W [T, I]."""
        return dy_TO @ self._storage[: self.outputs]

    def back_with(self, room: Room, a_RI: Tensor) -> Tensor:
        """One product with A below W."""
        self._storage[self.outputs :] = a_RI
        return room.whole[:, : self.outputs + self.ranks] @ self._storage

    def release(self) -> None:
        """Gives each layer a weight of its own again."""
        for layer, _ in self._views:
            layer.weight.data = layer.weight.data.clone()
        self._views.clear()


class UnpackedStack(Stack):
    """Weights in fewer bits, unpacked into a temporary tensor for each product.

    Args:
        layers: `Linear4bit` or `Fp8Linear` layers.
        ranks: R.
        unpack: Writes a layer's weights into a tensor [out, in], in its dtype.
    """

    def __init__(self, layers: list[Any], ranks: int, unpack: Callable[[Any, Tensor], None]) -> None:
        super().__init__(layers, ranks)
        self._layers = layers
        self._unpack = unpack

    def takes(self, x: Tensor) -> bool:
        """The layers' compute dtype (the input's, where they have none)."""
        dtypes = {getattr(layer, "compute_dtype", None) for layer in self._layers}
        return x.is_floating_point() and dtypes <= {None, x.dtype}

    def product(self, x_TI: Tensor, out_TO: Tensor) -> None:
        """Writes x Wᵀ + bias."""
        self._multiply(x_TI, self.unpacked(x_TI), out_TO)

    def back(self, dy_TO: Tensor) -> Tensor:
        """The product dy W [T, I]."""
        return dy_TO @ self.unpacked(dy_TO)

    def back_with(self, room: Room, a_RI: Tensor) -> Tensor:
        """One product with A below W."""
        weights = self.unpacked(room.whole, self.ranks)
        weights[self.outputs :] = a_RI
        return room.whole[:, : self.outputs + self.ranks] @ weights

    def unpacked(self, like: Tensor, more: int = 0) -> Tensor:
        """W [O + more, I] in the dtype of `like`; the last lines are empty."""
        weights = like.new_empty(self.outputs + more, self.inputs)
        place = 0
        for layer, width in zip(self._layers, self.widths, strict=True):
            self._unpack(layer, weights[place : place + width])
            place += width
        return weights


def stack_obstacle(layers: list[Any]) -> str | None:
    """Says why layers can't share a stack; None if they can."""
    if len({type(layer) for layer in layers}) > 1 or len({layer.weight.dtype for layer in layers}) > 1:
        return "its layers hold their weights in different ways"
    if len({(int(layer.in_features), layer.weight.device) for layer in layers}) > 1:
        return "its layers read different inputs"
    return None


def _stacked_bias(layers: list[Any]) -> Tensor | None:
    if all(layer.bias is None for layer in layers):
        return None
    parts = [
        layer.weight.new_zeros(layer.out_features, dtype=torch.float32) if layer.bias is None else layer.bias.data
        for layer in layers
    ]
    return torch.cat([part.to(parts[-1].dtype) for part in parts])
