"""Puts the fused kernels into a model: which module gets which pass, and why others stay as they are.

Comes in: the model that a method has prepared (PEFT's LoRA layers on a frozen base). Goes out: the same model, same
modules, same names; only the forward passes of known modules are replaced. Everything that isn't known runs the plain
way and is named in the notes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from ftlab.kernels import blocks
from ftlab.kernels.adapter import Adapter, obstacle
from ftlab.kernels.blocks import NormSpec
from ftlab.kernels.fp8 import Fp8Linear, Fp8Stack
from ftlab.kernels.frozen import DenseStack, Stack, UnpackedStack, stack_obstacle
from ftlab.kernels.linear import Linears
from ftlab.kernels.mlp import Mlp
from ftlab.kernels.nf4 import dequantize_into
from ftlab.kernels.recompute import decoder_layers

Arithmetic = Literal["model", "fp8"]
"""Of the frozen products: in 16 or 32 bits whatever holds the weights, or on FP8 tensor cores."""

_ATTENTION = {
    "LlamaAttention", "MistralAttention", "Qwen2Attention", "Qwen3Attention", "Gemma3Attention", "Phi3Attention",
}  # fmt: skip
_MLP = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "Gemma3MLP", "Phi3MLP"}
_LAYER = {
    "LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer", "Gemma3DecoderLayer",
    "Phi3DecoderLayer",
}  # fmt: skip
_NORM = {"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "Gemma3RMSNorm", "Phi3RMSNorm"}

_ACTIVATIONS = {"silu": False, "swish": False, "gelu_pytorch_tanh": True}
_STATE = "_ftlab_kernels"


@dataclass
class _Notes:
    """What was fused and what was not, counted."""

    fused: Counter[str]
    plain: Counter[str]

    def lines(self) -> list[str]:
        done = [f"kernels: {count} × {what}" for what, count in self.fused.items()]
        return done + [f"kernels: {count} × plain path: {why}" for why, count in self.plain.items()]


def accelerate_model(
    model: nn.Module,
    *,
    attention: bool = True,
    mlp: bool = True,
    norms: bool = True,
    arithmetic: Arithmetic = "model",
    held_bytes: int = 0,
) -> list[str]:
    """Replaces the forward passes of known modules by fused ones; call it after the method was applied.

    Args:
        model: A Transformers model with PEFT's LoRA on it.
        attention: Fuse the layers of attention.
        mlp: Fuse the MLP.
        norms: Fuse norms and residual additions.
        arithmetic: `fp8` multiplies by the frozen weights on FP8 tensor cores (not exact; opt-in).
        held_bytes: Memory that may hold weights as products take them (unpacked to 16 bits, or in FP8 and turned over),
            from the first layer on.

    Returns:
        Notes, a line each: what was fused, and what was not and why.
    """
    restore(model)
    notes = _Notes(Counter(), Counter())
    undo: list[Callable[[], None]] = []
    setattr(model, _STATE, undo)
    try:
        layers = decoder_layers(model)
    except ValueError as error:
        return [f"kernels: plain path: {error}"]
    builder = _Builder(arithmetic, held_bytes, undo)
    for layer in layers:
        _accelerate_layer(layer, builder, notes, (attention, mlp, norms))
    if norms:
        for module in model.modules():
            if type(module).__name__ in _NORM and "forward" not in module.__dict__ and not _norm_obstacle(module):
                blocks.patch(module, blocks.norm_module_forward(_norm_spec(module)))
                undo.append(_Unpatch(module))
    return notes.lines() + builder.note()


def restore(model: nn.Module) -> None:
    """Takes everything back that `accelerate_model` did: forward passes, and each weight's own storage."""
    undo: list[Callable[[], None]] = model.__dict__.pop(_STATE, [])
    for action in reversed(undo):
        action()


class _Unpatch:
    """Undoes `blocks.patch`."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self) -> None:
        blocks.unpatch(self._module)
        self._module.__dict__.pop("_ftlab_accelerated", None)


class _Builder:
    """Makes stacks of frozen weights, and remembers how to undo them."""

    def __init__(self, arithmetic: Arithmetic, held_bytes: int, undo: list[Callable[[], None]]) -> None:
        self._arithmetic = arithmetic
        self._left_bytes = held_bytes
        self._holding: list[int] = []
        self._undo = undo

    def note(self) -> list[str]:
        """How much is held."""
        if not self._holding:
            return []
        return [f"kernels: {len(self._holding)} × weights held unpacked: {sum(self._holding) / 2**30:.2f} GiB"]

    def linears(self, modules: Sequence[nn.Module]) -> Linears | str:
        """The layers ready to be fused, or why they can't share their input."""
        adapters = [Adapter(module) for module in modules]
        bases = [adapter.base for adapter in adapters]
        why = stack_obstacle(bases)
        if why is not None:
            return why
        return Linears(adapters, self._stack(bases, sum(adapter.rank for adapter in adapters)))

    def _stack(self, bases: list[Any], ranks: int) -> Stack:
        eight_bits, four_bits = isinstance(bases[0], Fp8Linear), type(bases[0]).__name__ == "Linear4bit"
        if self._arithmetic == "fp8":
            stack8 = Fp8Stack(bases, ranks)
            if self._affords(stack8.needed_bytes()):
                stack8.hold()
            return stack8
        if not (eight_bits or four_bits):
            dense = DenseStack(bases, ranks)
            self._undo.append(dense.release)
            return dense
        stack = UnpackedStack(bases, ranks, Fp8Linear.unpack_into if eight_bits else _unpack_4_bits)
        dtype = getattr(bases[0], "compute_dtype", None)
        if dtype is None or not self._affords((stack.outputs + ranks) * stack.inputs * dtype.itemsize):
            return stack
        like = bases[0].weight.new_empty(0, dtype=dtype)
        return DenseStack(bases, ranks, stack.unpacked(like))

    def _affords(self, count: int) -> bool:
        """Takes so many bytes of what may be held, if they are there."""
        if count > self._left_bytes:
            return False
        self._left_bytes -= count
        self._holding.append(count)
        return True


def _unpack_4_bits(layer: Any, out_OI: Tensor) -> None:
    dequantize_into(out_OI, layer.weight)


def _accelerate_layer(layer: nn.Module, builder: _Builder, notes: _Notes, wanted: tuple[bool, bool, bool]) -> None:
    attention, mlp, norms = wanted
    known = f"{type(layer).__module__}".startswith("transformers.models.") and type(layer).__name__ in _LAYER
    if not known:
        notes.plain[f"{type(layer).__name__} is not known"] += 1
        return
    parts: Any = layer
    undo = builder._undo
    fused_mlp: Mlp | None = None
    if attention:
        _note(notes, "attention", _accelerate_attention(parts.self_attn, builder, undo))
    if mlp:
        built = _accelerate_mlp(parts.mlp, builder, undo)
        fused_mlp = built if isinstance(built, Mlp) else None
        _note(notes, "MLP", built if isinstance(built, str) else None)
    if norms:
        _note(notes, "norms and residual", _accelerate_residual(parts, fused_mlp, undo))


def _note(notes: _Notes, what: str, why: str | None) -> None:
    if why is None:
        notes.fused[f"{what} fused"] += 1
    else:
        notes.plain[f"{what}: {why}"] += 1


def _accelerate_attention(module: Any, builder: _Builder, undo: list[Callable[[], None]]) -> str | None:
    if type(module).__name__ not in _ATTENTION:
        return f"{type(module).__name__} is not known"
    names = ["qkv_proj"] if hasattr(module, "qkv_proj") else ["q_proj", "k_proj", "v_proj"]
    sources = [getattr(module, name) for name in names]
    why = _nothing_to_fuse((*sources, module.o_proj))
    if why is not None:
        return why
    inputs = builder.linears(sources)
    if isinstance(inputs, str):
        return inputs
    output = builder.linears([module.o_proj])
    if isinstance(output, str):
        return output
    blocks.patch(module, blocks.attention_forward(inputs, output, _window))
    undo.append(_Unpatch(module))
    return None


def _accelerate_mlp(module: Any, builder: _Builder, undo: list[Callable[[], None]]) -> Mlp | str:
    if type(module).__name__ not in _MLP:
        return f"{type(module).__name__} is not known"
    config = module.config
    activation = getattr(config, "hidden_activation", None) or config.hidden_act
    if activation not in _ACTIVATIONS:
        return f"its activation is {activation}"
    names = ["gate_up_proj"] if hasattr(module, "gate_up_proj") else ["gate_proj", "up_proj"]
    sources = [getattr(module, name) for name in names]
    why = _nothing_to_fuse((*sources, module.down_proj))
    if why is not None:
        return why
    gate_up = builder.linears(sources)
    if isinstance(gate_up, str):
        return gate_up
    down = builder.linears([module.down_proj])
    if isinstance(down, str):
        return down
    mlp = Mlp(gate_up, down, tanh=_ACTIVATIONS[activation])
    blocks.patch(module, blocks.mlp_forward(mlp))
    undo.append(_Unpatch(module))
    return mlp


def _nothing_to_fuse(layers: Sequence[nn.Module]) -> str | None:
    """The first obstacle, or that no layer has an adapter; None if fusing makes sense."""
    for layer in layers:
        why = obstacle(layer)
        if why is not None:
            return why
    return None if any(Adapter(layer).rank for layer in layers) else "no LoRA adapter in it"


def _accelerate_residual(layer: Any, mlp: Mlp | None, undo: list[Callable[[], None]]) -> str | None:
    gemma = hasattr(layer, "pre_feedforward_layernorm")
    first = layer.input_layernorm
    second = layer.pre_feedforward_layernorm if gemma else layer.post_attention_layernorm
    for norm in (first, second):
        why = _norm_obstacle(norm)
        if why is not None:
            return why
    if any(getattr(layer, name).p for name in ("resid_attn_dropout", "resid_mlp_dropout") if hasattr(layer, name)):
        return "it drops out of the residual stream"
    after = (layer.post_attention_layernorm, layer.post_feedforward_layernorm) if gemma else None
    blocks.patch(layer, blocks.layer_forward(_norm_spec(first), _norm_spec(second), mlp, after))
    layer._ftlab_accelerated = True
    undo.append(_Unpatch(layer))
    return None


def _norm_obstacle(norm: Any) -> str | None:
    if type(norm).__name__ not in _NORM:
        return f"{type(norm).__name__} is not known"
    if norm.weight.requires_grad:
        return "its norms are trained"
    return None


def _norm_spec(norm: Any) -> NormSpec:
    eps = norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps
    return NormSpec(norm.weight, float(eps), "Gemma" in type(norm).__name__)


def _window(module: Any) -> int | None:
    """The sliding window as the module's class passes it on."""
    if hasattr(module, "sliding_window"):
        return module.sliding_window  # type: ignore[no-any-return]
    if type(module).__name__ in ("MistralAttention", "Phi3Attention"):
        return getattr(module.config, "sliding_window", None)
    return None
