"""What every method is to the rest of ftlab."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from ftlab.data.row import Layout

AdapterDtype = Literal["float32", "bfloat16", "model"]
"""Of the trained weights; `model` = as they come."""


class Method(Protocol):
    """Decides which weights are trained, and how they are saved.

    Attributes:
        name: As the user chose it.
        layout: How rows can share a forward pass.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.
    """

    name: str
    layout: Layout
    lr_multipliers: Mapping[str, float]

    def apply(self, model: nn.Module) -> nn.Module:
        """Freezes and adds what the method says; returns the model to train."""
        ...

    def save(self, model: nn.Module, folder: Path) -> None:
        """Writes what was trained so that others load it without ftlab."""
        ...

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """A term that the method adds to the mean loss of a step; None = nothing."""
        ...

    def after_step(self, model: nn.Module, step: int) -> None:
        """Called after each optimizer step, while its gradients are still there.

        Args:
            model: What `apply` returned.
            step: Optimizer steps done, this one counted.
        """
        ...

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the trained weights; empty for most methods."""
        ...

    def restore(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave."""
        ...


def trainable_parameters(model: nn.Module) -> tuple[int, int]:
    """Counts parameters: those that are trained, and all.

    A 4-bit layer counts the weights it stands for, not the bytes that hold them.

    Args:
        model: What `Method.apply` returned.
    """
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return trained, sum(_count(weight) for weight in model.parameters())


def cast_trainable(model: nn.Module, dtype: AdapterDtype) -> None:
    """Gives the trained weights their dtype, and leaves all others as they are.

    Args:
        model: Its trainable parameters are cast in place.
        dtype: `float32` keeps small updates that 16 bits would round away; `model` changes nothing.
    """
    if dtype == "model":
        return
    target = torch.float32 if dtype == "float32" else torch.bfloat16
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(target)


def _count(weight: Tensor) -> int:
    state = getattr(weight, "quant_state", None)
    return weight.numel() if state is None else int(torch.Size(state.shape).numel())
