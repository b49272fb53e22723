"""Forward passes of attention, MLP and decoder layer on the fused kernels, for the architectures that are known.

Each does what the class of Transformers does, in the same order, and hands over to that class where the fused path
can't run now (adapter disabled or merged, a few tokens without gradient, other dtype). What must not be here: the
decision which module gets which pass (`accelerate`).
"""

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from ftlab.kernels.linear import Linears, lora_attention_inputs, lora_linear
from ftlab.kernels.mlp import Mlp, lora_mlp
from ftlab.kernels.norm import add_norm
from ftlab.kernels.recompute import norm_made_again, offload_of, policy_of, run_again

FEW_TOKENS = 64
"""Without gradients, fewer tokens than this go the plain way: generation has kernels of its own for single tokens."""


@dataclass(frozen=True, slots=True)
class NormSpec:
    """How a norm of an architecture computes: `centred` see `ftlab.kernels.norm`."""

    weight: nn.Parameter
    eps: float
    centred: bool


def patch(module: nn.Module, forward: Callable[..., Any]) -> None:
    """Replaces the forward of this one module; `unpatch` takes it back.

    A copy of the module runs the plain way: the kernels know the weights of the original.
    """
    owner = weakref.ref(module)

    def of_owner(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if owner() is not self:
            return type(self).forward(self, *args, **kwargs)
        return forward(self, *args, **kwargs)

    module.forward = MethodType(of_owner, module)


def unpatch(module: nn.Module) -> None:
    """Gives the module the forward of its class again."""
    module.__dict__.pop("forward", None)


def attention_forward(inputs: Linears, output: Linears, window: Callable[[Any], int | None]) -> Callable[..., Any]:
    """The forward pass of an attention module.

    Args:
        inputs: Query, key and value layers, or the one layer that makes all three.
        output: The output layer.
        window: Sliding window of the module, in tokens.
    """

    def forward(
        self: Any,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if _plain(hidden_states) or not (inputs.ready(hidden_states) and output.ready(hidden_states)):
            return type(self).forward(  # type: ignore[no-any-return]
                self, hidden_states, position_embeddings, attention_mask, past_key_values=past_key_values, **kwargs
            )
        query, key, value = _attention_inputs(self, hidden_states, position_embeddings, inputs)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, sys.modules[type(self).__module__].eager_attention_forward
        )
        attended, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            sliding_window=window(self),
            **kwargs,
        )
        attended = attended.reshape(*hidden_states.shape[:-1], -1).contiguous()
        return lora_linear(attended, output, self.training), weights

    return forward


def mlp_forward(mlp: Mlp) -> Callable[..., Any]:
    """The forward pass of a gated MLP.

    Args:
        mlp: Its layers.
    """

    def forward(self: Any, x: Tensor) -> Tensor:
        if _plain(x) or not mlp.ready(x):
            return type(self).forward(self, x)  # type: ignore[no-any-return]
        if mlp.in_one(self.training):
            return lora_mlp(x, mlp)
        return _mlp_in_parts(x, mlp, self.training)

    return forward


def layer_forward(
    first: NormSpec, second: NormSpec, mlp: Mlp | None, after: tuple[nn.Module, nn.Module] | None
) -> Callable[..., Any]:
    """The forward pass of a decoder layer.

    Args:
        first: Norm before attention.
        second: Norm before the MLP.
        mlp: The fused MLP in it, which can recompute by itself; None = a plain one.
        after: Norms behind attention and behind the MLP (Gemma); None = none.
    """
    if mlp is not None:
        mlp.is_last = after is None

    def forward(self: Any, hidden_states: Tensor, **kwargs: Any) -> Tensor:
        policy = policy_of(self)
        if policy.layers and torch.is_grad_enabled() and kwargs.get("past_key_values") is None:
            offload = offload_of(self)
            if offload is None:
                return run_again(_run, self, hidden_states, kwargs, False, False)  # type: ignore[no-any-return]
            between = run_again(_attend, self, hidden_states, kwargs, offload=offload)
            return run_again(_feed, self, between, offload=offload)  # type: ignore[no-any-return]
        if _plain(hidden_states) or getattr(self, "gradient_checkpointing", False):
            return type(self).forward(self, hidden_states, **kwargs)  # type: ignore[no-any-return]
        return _run(self, hidden_states, kwargs, policy.norms or policy.mlp, policy.mlp)

    def _attend(self: Any, hidden_states: Tensor, kwargs: dict[str, Any]) -> Tensor:
        """The first half of the layer: what it keeps need not be there while the second one is passed."""
        stream, normed = add_norm(hidden_states, None, first.weight, first.eps, first.centred)
        branch, _ = self.self_attn(hidden_states=normed, **kwargs)
        out: Tensor = stream + (branch if after is None else after[0](branch))
        return out

    def _feed(self: Any, between: Tensor) -> Tensor:
        """The second half."""
        stream, normed = add_norm(between, None, second.weight, second.eps, second.centred)
        if mlp is not None:
            mlp.recompute = False
        branch = self.mlp(normed)
        out: Tensor = stream + (branch if after is None else after[1](branch))
        return out

    def _run(self: Any, hidden_states: Tensor, kwargs: dict[str, Any], norms: bool, widest: bool) -> Tensor:
        stream, normed = add_norm(hidden_states, None, first.weight, first.eps, first.centred)
        with norm_made_again(normed, stream, first.weight, first.eps, first.centred, active=norms):
            branch, _ = self.self_attn(hidden_states=normed, **kwargs)
        del normed
        if after is not None:
            branch = after[0](branch)
        stream, normed = add_norm(stream, branch, second.weight, second.eps, second.centred)
        inside = mlp is not None and mlp.in_one(self.training)
        if mlp is not None:
            mlp.recompute = widest and inside
        again = norms and (inside or not widest)
        with norm_made_again(normed, stream, second.weight, second.eps, second.centred, active=again):
            branch = run_again(self.mlp, normed) if widest and not inside else self.mlp(normed)
        del normed
        if after is not None:
            branch = after[1](branch)
        out: Tensor = stream + branch
        return out

    return forward


def norm_module_forward(spec: NormSpec) -> Callable[..., Any]:
    """The forward pass of a norm that stands alone."""

    def forward(self: Any, hidden_states: Tensor) -> Tensor:
        if hidden_states.dtype != spec.weight.dtype:
            return type(self).forward(self, hidden_states)  # type: ignore[no-any-return]
        return add_norm(hidden_states, None, spec.weight, spec.eps, spec.centred)[1]

    return forward


def _plain(x: Tensor) -> bool:
    return not torch.is_grad_enabled() and x.numel() // x.shape[-1] < FEW_TOKENS


def _attention_inputs(
    module: Any, x: Tensor, position_embeddings: tuple[Tensor, Tensor], inputs: Linears
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each [B, heads, S, head width]."""
    cos, sin = position_embeddings
    width = module.head_dim
    normed = hasattr(module, "q_norm")
    if not normed and len(inputs.adapters) == 3 and cos.shape[-1] == width:
        return lora_attention_inputs(x, inputs, cos, sin, width, module.training)
    stacked = lora_linear(x, inputs, module.training)
    keys = module.config.num_key_value_heads * width
    query, key, value = (
        part.unflatten(-1, (-1, width)) for part in stacked.split([stacked.shape[-1] - 2 * keys, keys, keys], dim=-1)
    )
    if normed:
        query, key = module.q_norm(query), module.k_norm(key)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    query, key = sys.modules[type(module).__module__].apply_rotary_pos_emb(query, key, cos, sin)
    return query, key, value


def _mlp_in_parts(x: Tensor, mlp: Mlp, training: bool) -> Tensor:
    """The layers are fused, the block is not."""
    gate, up = lora_linear(x, mlp.gate_up, training).chunk(2, dim=-1)
    act = torch.nn.functional.gelu(gate, approximate="tanh") if mlp.tanh else torch.nn.functional.silu(gate)
    return lora_linear(act * up, mlp.down, training)
