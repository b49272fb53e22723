"""Partial fine-tuning: the last layers and named weights are trained, the rest is frozen."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ftlab.method.full import FullMethod
from ftlab.method.method import AdapterDtype


class FreezeMethod(FullMethod):
    """Trains the last transformer blocks, and further weights by name. Saves the whole model.

    Args:
        name: As the user chose it.
        last_layers: How many blocks, counted from the end.
        patterns: Regular expressions, each searched for in the names of the parameters.
        adapter_dtype: Of the trained weights; `float32` on a bfloat16 base needs autocast.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.
    """

    def __init__(
        self,
        *,
        name: str = "freeze",
        last_layers: int = 2,
        patterns: Sequence[str] = (),
        adapter_dtype: AdapterDtype = "model",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(name=name, adapter_dtype=adapter_dtype, lr_multipliers=lr_multipliers)
        self.last_layers = last_layers
        self.patterns = tuple(patterns)

    def _select(self, model: nn.Module) -> None:
        model.requires_grad_(False)
        blocks = transformer_blocks(model)
        for block in blocks[max(0, len(blocks) - self.last_layers) :]:
            block.requires_grad_(True)
        for name, weight in model.named_parameters(remove_duplicate=False):
            if any(re.search(pattern, name) for pattern in self.patterns):
                weight.requires_grad_(True)


def transformer_blocks(model: nn.Module) -> nn.ModuleList:
    """The model's blocks in their order: its list of as many modules as the config has layers.

    Raises:
        ValueError: There is no such list.
    """
    config: Any = model.config
    count = config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(f"`model` must have a list of {count} blocks, but {type(model).__name__} has none.")
