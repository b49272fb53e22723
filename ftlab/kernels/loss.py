"""Σ NLL of a frozen head: forward and backward together, a chunk of logits at a time.

Logits of one chunk are made, turned into their own gradient in place and multiplied back to the hidden states; what
stays for backward is d hidden, as large as the hidden states. The logits of a whole batch never exist.

z = scale · W h, capped to cap · tanh(z / cap) where the architecture does so;  NLL = log Σ exp z − z_target.
Shape letters: N supervised positions, C channels, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ftlab.kernels.device import keeps_dtype, uses_triton

CHUNK_ELEMENTS = 2**27
"""Logits of one chunk: 256 MiB in 16 bits, 1,046 positions of a vocabulary of 128k."""


def head_obstacle(model: nn.Module) -> str | None:
    """Says why the loss can't be computed together with the head; None if it can.

    Args:
        model: A causal language model of Transformers, with PEFT around it or not.
    """
    peft_config = getattr(model, "active_peft_config", None)
    if peft_config is not None and peft_config.is_prompt_learning:
        return "the method puts tokens of its own into the sequence"
    inner = _causal_model(model)
    head = inner.get_output_embeddings() if hasattr(inner, "get_output_embeddings") else None
    if type(head) is not nn.Linear:
        return f"the head is a {type(head).__name__}"
    if not keeps_dtype(head.weight):
        return "autocast casts the head"
    if head.weight.requires_grad:
        return "the head is trained"
    if head.bias is not None or head._forward_hooks or head._forward_pre_hooks:
        return "the head has a bias or hooks"
    if type(inner).__name__ not in _KNOWN:
        return f"{type(inner).__name__} is not known"
    return None


_KNOWN = {
    "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma3ForCausalLM",
    "Phi3ForCausalLM",
}  # fmt: skip
"""Models whose logits are head(decoder(…)), capped at most: no scale, no shift."""


def decoder_of(model: nn.Module) -> nn.Module:
    """The part of the model that makes the hidden states which its head reads."""
    return _causal_model(model).get_decoder()  # type: ignore[no-any-return]


def head_sum_nll(
    model: nn.Module, hidden_NC: Tensor, targets_N: Tensor, chunk_elements: int = CHUNK_ELEMENTS
) -> Tensor:
    """Σ NLL of the model's head over hidden states.

    Args:
        model: A model without `head_obstacle`.
        hidden_NC: Outputs of the decoder where a token is supervised.
        targets_N: The tokens.
        chunk_elements: The most logits that exist at the same time.

    Returns:
        Shape [], float32 (float64 for a float64 model).
    """
    inner = _causal_model(model)
    weight_VC = inner.get_output_embeddings().weight
    cap = getattr(inner.config.get_text_config(), "final_logit_softcapping", None)
    return frozen_sum_nll(hidden_NC, weight_VC, targets_N, cap=cap, chunk_elements=chunk_elements)


def frozen_sum_nll(
    hidden_NC: Tensor,
    weight_VC: Tensor,
    targets_N: Tensor,
    *,
    scale: float = 1.0,
    cap: float | None = None,
    chunk_elements: int = CHUNK_ELEMENTS,
) -> Tensor:
    """Σ NLL; gradients reach `hidden_NC` only.

    Args:
        hidden_NC: Hidden states.
        weight_VC: The head.
        targets_N: Tokens, int64, none of them ignored.
        scale: Factor on the logits.
        cap: Bound of the logits; None = none.
        chunk_elements: The most logits that exist at the same time.

    Returns:
        Shape [], float32 (float64 for float64).
    """
    return _FrozenNll.apply(hidden_NC, weight_VC, targets_N, scale, cap, chunk_elements)  # type: ignore[no-any-return,no-untyped-call]


class _FrozenNll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_NC: Tensor,
        weight_VC: Tensor,
        targets_N: Tensor,
        scale: float,
        cap: float | None,
        elements: int,
    ) -> Tensor:
        wants_grad = ctx.needs_input_grad[0]
        dhidden_NC = torch.empty_like(hidden_NC) if wants_grad else None
        sums = [hidden_NC.new_zeros((), dtype=torch.promote_types(hidden_NC.dtype, torch.float32))]
        rows = max(1, elements // weight_VC.shape[0])
        for start in range(0, hidden_NC.shape[0], rows):
            chunk = slice(start, start + rows)
            logits_NV = hidden_NC[chunk] @ weight_VC.t()
            sums.append(nll_(logits_NV, targets_N[chunk], scale, cap, wants_grad).sum())
            if dhidden_NC is not None:
                torch.mm(logits_NV, weight_VC, out=dhidden_NC[chunk])
        ctx.save_for_backward(dhidden_NC)
        return torch.stack(sums).sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (dhidden_NC,) = ctx.saved_tensors
        return dhidden_NC * grad.to(dhidden_NC.dtype), None, None, None, None, None


def nll_(logits_NV: Tensor, targets_N: Tensor, scale: float, cap: float | None, grad: bool) -> Tensor:
    """NLL of each position [N], in float32; with `grad`, the logits become d NLL / d logits.

    Args:
        logits_NV: W h; overwritten with `grad`.
        targets_N: Tokens.
        scale: Factor on the logits.
        cap: Bound of the logits; None = none.
        grad: Whether the gradient is wanted.
    """
    if uses_triton(logits_NV):
        from ftlab.kernels.gpu.nll import nll_ as kernel

        return kernel(logits_NV, targets_N, scale, cap, grad)
    z_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32)) * scale
    slope: Tensor | float = scale
    if cap is not None:
        bent_NV = torch.tanh(z_NV / cap)
        z_NV, slope = cap * bent_NV, scale * (1 - bent_NV**2)
    log_p_NV = torch.log_softmax(z_NV, dim=-1)
    losses_N = -log_p_NV.gather(1, targets_N[:, None]).squeeze(1)
    if grad:
        grad_NV = log_p_NV.exp_()
        grad_NV.scatter_add_(1, targets_N[:, None], -torch.ones_like(targets_N[:, None], dtype=grad_NV.dtype))
        logits_NV.copy_(grad_NV * slope)
    return losses_N


def _causal_model(model: nn.Module) -> Any:
    outer: Any = model
    return outer.get_base_model() if hasattr(model, "get_base_model") else model
