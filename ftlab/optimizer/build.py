"""Builds the optimizer from what the configuration gives: a partial that lacks nothing but the parameters."""

import inspect
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ftlab.optimizer.flat import flattened, is_element_wise
from ftlab.optimizer.groups import parameter_groups

log = logging.getLogger(__name__)


def build_optimizer(
    factory: "partial[Optimizer]",
    parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    lr_multipliers: Mapping[str, float] | None = None,
    fused: bool = True,
) -> Optimizer:
    """Makes the optimizer over the trainable parameters.

    Args:
        factory: An optimizer class with its settings, `lr` among them (Hydra's `_partial_: true`).
        parameters: Names and parameters; frozen ones are passed over.
        lr_multipliers: Factors of the learning rate by part of the name; see `parameter_groups`.
        fused: Whether one kernel may update all parameters where the optimizer offers that. A gradient scaler
            (float16) does not go with it.

    Returns:
        The optimizer. Paging needs a CUDA device: elsewhere it is off, and the log says so. For bitsandbytes'
        optimizers small parameters become views into one tensor (`flat`).

    Raises:
        InputError: See `parameter_groups`.
    """
    groups = parameter_groups(parameters, lr=factory.keywords["lr"], lr_multipliers=lr_multipliers)
    members = [parameter for group in groups for parameter in group["params"]]
    if isinstance(factory.func, type) and is_element_wise(factory.func):
        factory = partial(flattened(factory.func), **factory.keywords)
    optimizer = factory(groups, **_fused(factory, members) if fused else {})
    if getattr(optimizer, "is_paged", False) and any(parameter.device.type != "cuda" for parameter in members):
        optimizer.is_paged = False  # type: ignore[attr-defined]
        log.warning("%s pages on a CUDA device only; here its state stays in memory.", type(optimizer).__name__)
    return optimizer


def state_bytes_per_parameter(factory: "partial[Optimizer]") -> float:
    """What the optimizer keeps for a trainable parameter, in bytes: an upper estimate where the class isn't known."""
    name = getattr(factory.func, "__name__", "").lower()
    if "adafactor" in name:
        return 0.1  # a row and a column of each matrix
    if name == "sgd":
        return 4.0 if factory.keywords.get("momentum") else 0.0
    bytes_each = 1.0 if "8bit" in name else 4.0
    return bytes_each * (1 if "lion" in name else 2)


def _fused(factory: "partial[Optimizer]", members: list[nn.Parameter]) -> dict[str, Any]:
    """`fused=True` where the class takes it, all parameters can use it, and the configuration leaves it open."""
    takes_it = "fused" in inspect.signature(factory.func).parameters and "fused" not in factory.keywords
    suits = all(p.device.type in ("cuda", "cpu") and torch.is_floating_point(p) for p in members)
    return {"fused": True} if takes_it and suits else {}
