"""PEFT's LoRA layers as the fused kernels see them, and the conditions under which a layer can be fused.

PEFT's modules stay where they are and keep their weights; here they are only read. What must not be here: arithmetic.
"""

from typing import Any

import torch
from torch import Tensor, nn


class Adapter:
    """A linear layer of the frozen base with at most one LoRA adapter on it: y = W x + b + s·B A drop(x).

    Args:
        layer: PEFT's LoRA layer, or the base's linear layer where no adapter is on it.

    Attributes:
        base: The base's linear layer.
        rank: r; 0 without an adapter.
        scale: s = alpha / r (or what the adapter says).
        dropout: p, the share of x dropped in training.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.base: Any = layer.base_layer if _is_lora(layer) else layer
        self._name = _active(layer)
        lora: Any = layer
        self.rank = int(lora.r[self._name]) if self._name is not None else 0
        self.scale = float(lora.scaling[self._name]) if self._name is not None else 0.0
        dropout = lora.lora_dropout[self._name] if self._name is not None else None
        self.dropout = float(dropout.p) if isinstance(dropout, nn.Dropout) else 0.0

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """A [r, in] and B [out, r]; none without an adapter."""
        if self._name is None:
            return ()
        lora: Any = self.layer
        return lora.lora_A[self._name].weight, lora.lora_B[self._name].weight

    def as_seen(self) -> bool:
        """Whether the layer is still in the state it had here: same adapter active, not merged, not disabled."""
        if self._name is None:
            return True
        lora: Any = self.layer
        active = lora._active_adapter
        same = active == self._name or active == [self._name]
        return (
            same and not lora._disable_adapters and not lora.merged_adapters and lora.scaling[self._name] == self.scale
        )


def obstacle(layer: nn.Module) -> str | None:
    """Says why a layer can't be fused; None if it can."""
    base = getattr(layer, "base_layer", layer)
    kind = f"{type(base).__module__.split('.')[0]}.{type(base).__name__}"
    if kind not in ("torch.Linear", "bitsandbytes.Linear4bit", "ftlab.Fp8Linear"):
        return f"the base layer is a {kind}"
    if base.weight.requires_grad or (base.bias is not None and base.bias.requires_grad):
        return "the base layer is trained"
    if kind == "bitsandbytes.Linear4bit":
        state = getattr(base.weight, "quant_state", None)
        if state is None or base.weight.dtype != torch.uint8 or state.blocksize != 64:
            return "its 4-bit weights are not bytes in blocks of 64"
    if any(module._forward_hooks or module._forward_pre_hooks for module in (layer, base)):
        return "it has forward hooks"
    if layer is base:
        return None
    return _adapter_obstacle(layer)


def _adapter_obstacle(layer: Any) -> str | None:
    if not _is_lora(layer):
        return f"its adapter is a {type(layer).__name__}, not plain LoRA"
    if layer.merged_adapters:
        return "its adapter is merged"
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    if len(names) > 1:
        return "several adapters are active"
    for name in names:
        if name in layer.lora_variant or layer.lora_bias.get(name):
            return "its adapter is a variant of LoRA (DoRA, aLoRA or with bias)"
        if getattr(layer, "fan_in_fan_out", False):
            return "its base weight is transposed"
        if type(layer.lora_A[name]) is not nn.Linear or not isinstance(
            layer.lora_dropout[name], nn.Dropout | nn.Identity
        ):
            return "its adapter has layers of its own kind"
        if any(
            weight.ndim != 2 or weight.device != layer.base_layer.weight.device for weight in Adapter(layer).weights
        ):
            return "its adapter is on another device"
    return None


def _is_lora(layer: nn.Module) -> bool:
    """Plain LoRA on a linear layer of 16 or 32 bits or of 4 bits."""
    return type(layer).__module__.startswith("peft.tuners.lora.") and type(layer).__name__ in ("Linear", "Linear4bit")


def _active(layer: Any) -> str | None:
    if not _is_lora(layer):
        return None
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    return names[0] if names else None
