"""Parameter groups: which weights decay, and which learn faster than the rest."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from ftlab.problem import InputError, Problem


def parameter_groups(
    parameters: Iterable[tuple[str, nn.Parameter]], *, lr: float, lr_multipliers: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Sorts the trainable parameters into groups for an optimizer.

    Decoupled weight decay pulls weights to zero. That is sound for matrices, and wrong for what scales or shifts
    (norms, biases, IA³'s and DoRA's vectors): those get `weight_decay=0`. Matrices get no key, so that the
    optimizer's own setting holds for them.

    Args:
        parameters: Names and parameters; frozen ones are passed over.
        lr: The learning rate.
        lr_multipliers: Factor of the learning rate by part of the parameter's name, as LoRA+ needs it
            (`{"lora_B": 16}`, arXiv:2402.12354). Where several parts occur in a name, their factors multiply.

    Returns:
        Groups with `params` and `lr`, and `weight_decay` where there is none; none of them empty. Their order depends
        on the names alone, as an optimizer's saved state needs it.

    Raises:
        InputError: A multiplier's name occurs in no trainable parameter, or nothing is trainable.
    """
    factors = dict(lr_multipliers or {})
    trainable = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    _check(trainable, factors)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in trainable:
        factor = 1.0
        for part, value in factors.items():
            factor *= value if part in name else 1.0
        groups.setdefault((factor, decays(name, parameter)), []).append(parameter)
    return [
        {"params": members, "lr": lr * factor} | ({} if has_decay else {"weight_decay": 0.0})
        for (factor, has_decay), members in groups.items()
    ]


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: to matrices, not to biases, nor to vectors written as [1, n] or [n, 1] (IA³)."""
    is_vector = parameter.numel() == max(parameter.shape, default=1) and "lora_" not in name
    return parameter.ndim >= 2 and not is_vector and not name.endswith(".bias")


def _check(trainable: list[tuple[str, nn.Parameter]], factors: Mapping[str, float]) -> None:
    if not trainable:
        raise InputError([Problem("method", "must leave at least one parameter trainable, but all are frozen.")])
    unused = [part for part in factors if not any(part in name for name, _ in trainable)]
    if unused:
        example = trainable[0][0]
        raise InputError(
            Problem(
                f"method.lr_multipliers.{part}",
                "must be part of a trainable parameter's name, but occurs in none.",
                f"A trainable parameter is called {example!r}.",
            )
            for part in unused
        )
