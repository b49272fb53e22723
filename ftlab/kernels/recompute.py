"""How much of forward is run again in backward, to keep less: an explicit choice, made elsewhere.

Levels, from the fastest to the smallest; gradients are the same in each, bit for bit where the device's products are
deterministic:

none    nothing is run again
norms   the norms' outputs are made again from the residual stream (costs two passes over it)
mlp     the gated MLP's widest tensors are multiplied again, and the norms' outputs (half of a layer's products)
layers  the first k layers keep only their input; the others follow one of the levels above
offload all layers keep only the inputs of their two halves, attention and MLP, and these in pinned RAM (`offload`)

The random numbers of dropout are the same in both runs.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ftlab.kernels.norm import norm_forward
from ftlab.kernels.offload import Offload

ATTRIBUTE = "_ftlab_recompute"
"""Where a decoder layer finds its own share of the policy."""
_OFFLOAD = "_ftlab_offload"
"""Where it finds what takes its input to RAM."""


@dataclass(frozen=True, slots=True)
class Recompute:
    """A policy.

    Attributes:
        norms: Make the norms' outputs again.
        mlp: Make the MLP's inner tensors again.
        layers: How many layers, counted from the first, keep only their input; -1 = all.
        offload: Whether those inputs wait in RAM.
    """

    norms: bool = False
    mlp: bool = False
    layers: int = 0
    offload: bool = False


NONE = Recompute()
ALL = Recompute(layers=-1)
LEAST = Recompute(norms=True, mlp=True, layers=-1, offload=True)


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The decoder layers of a Transformers model, with PEFT around it or not.

    Raises:
        ValueError: The model has no list of layers where Transformers' decoders have it.
    """
    outer: Any = model
    inner: Any = outer.get_base_model() if hasattr(model, "get_base_model") else model
    decoder: Any = inner.get_decoder() if hasattr(inner, "get_decoder") else inner
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ValueError(f"`model` must have decoder layers, but {type(decoder).__name__} has no list `layers`.")
    return layers


def set_recompute(model: nn.Module, policy: Recompute) -> list[str]:
    """Makes the model follow the policy from the next forward pass on; may be called again with another one.

    Accelerated layers (`accelerate_model`) follow all levels. For others a level above `none` means: their norms and
    their MLP are checkpointed as modules.

    Args:
        model: A Transformers model, with PEFT around it or not.
        policy: The choice.

    Returns:
        One line for each thing that could not be followed.

    Raises:
        ValueError: The model has no decoder layers.
    """
    layers = decoder_layers(model)
    whole = len(layers) if policy.layers < 0 else policy.layers
    notes: list[str] = []
    offload = Offload() if policy.offload else None
    for index, layer in enumerate(layers):
        _release(layer)
        share = Recompute(policy.norms, policy.mlp, -1 if index < whole else 0, policy.offload)
        if share != NONE:
            _apply(layer, share, offload, notes)
    return sorted(set(notes))


def policy_of(layer: nn.Module) -> Recompute:
    """A layer's share of the policy; `layers` is -1 where the whole layer is run again."""
    return getattr(layer, ATTRIBUTE, NONE)


def run_again(function: Callable[..., Any], *args: Any, offload: Offload | None = None, **kwargs: Any) -> Any:
    """Runs a function that keeps only its arguments and is run again in backward, with the same random numbers.

    Args:
        function: What runs.
        *args: Its arguments; tensors among them may wait in RAM.
        offload: Takes them there; None = they stay.
        **kwargs: More of them; these stay.
    """
    with nullcontext() if offload is None else offload.inputs():
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=True, context_fn=_contexts, **kwargs)


def is_run_again() -> bool:
    """Whether this is the second run, in backward: its result is not used, only what it keeps on the way."""
    return getattr(_thread, "again", False)


_thread = threading.local()


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _second_run()


@contextmanager
def _second_run() -> Iterator[None]:
    _thread.again = True
    try:
        yield
    finally:
        _thread.again = False


def offload_of(layer: nn.Module) -> Offload | None:
    """What takes a layer's input to RAM; None = it stays."""
    return getattr(layer, _OFFLOAD, None)


@contextmanager
def norm_made_again(
    out: Tensor, total: Tensor, weight_C: Tensor, eps: float, centred: bool, *, active: bool
) -> Iterator[None]:
    """Inside, whoever keeps `out` for backward keeps the way to make it from `total` instead.

    Args:
        out: The norm of `total`, as `norm_forward` made it.
        total: The residual stream, which is kept anyway.
        weight_C: The norm's weight.
        eps: The norm's.
        centred: The norm's.
        active: Nothing happens without.
    """
    if not active:
        yield
        return
    place, shape = out.data_ptr(), out.shape
    source_TC = total.detach().reshape(-1, total.shape[-1])

    def pack(tensor: Tensor) -> Tensor | torch.Size:
        same = tensor.data_ptr() == place and tensor.numel() == shape.numel() and tensor.is_contiguous()
        return tensor.shape if same else tensor

    def unpack(kept: Tensor | torch.Size) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        with torch.no_grad():
            return norm_forward(source_TC, None, weight_C, eps, centred)[1].view(kept)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def _apply(layer: nn.Module, share: Recompute, offload: Offload | None, notes: list[str]) -> None:
    setattr(layer, ATTRIBUTE, share)
    layer.__dict__[_OFFLOAD] = offload
    if getattr(layer, "_ftlab_accelerated", False):
        return
    if share.layers:
        _checkpoint_module(layer, offload)
        return
    parts = [(name, child) for name, child in layer.named_children() if _wanted(name, share)]
    if not parts:
        notes.append(f"recompute: {type(layer).__name__} has no parts of the names that the level means")
    for _, child in parts:
        _checkpoint_module(child)


def _wanted(name: str, share: Recompute) -> bool:
    return (share.mlp and name == "mlp") or ((share.norms or share.mlp) and "norm" in name)


def _checkpoint_module(module: nn.Module, offload: Offload | None = None) -> None:
    """Lets the module's forward keep only its arguments, while it trains."""
    inner = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled() or kwargs.get("past_key_values") is not None:
            return inner(*args, **kwargs)
        return run_again(inner, *args, offload=offload, **kwargs)

    module.forward = forward
    module._ftlab_inner = inner  # type: ignore[assignment]


def _release(layer: nn.Module) -> None:
    if hasattr(layer, ATTRIBUTE):
        delattr(layer, ATTRIBUTE)
    layer.__dict__.pop(_OFFLOAD, None)
    for module in (layer, *layer.children()):
        inner = module.__dict__.pop("_ftlab_inner", None)
        if inner is None:
            continue
        module.__dict__.pop("forward", None)
        if getattr(inner, "__func__", None) is not type(module).forward:
            module.forward = inner
