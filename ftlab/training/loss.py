"""The loss of one micro-batch: Σ NLL over its supervised tokens.

In: a causal language model (Transformers, PEFT around it or not) and a `MicroBatch`. Out: one float32 number with its
graph. The division by the step's tokens, backward and the device's memory are the business of `step` and `module`.

A frozen head of a known model computes loss and gradient together (`ftlab.kernels.loss`). For all others: logits are
made where a token carries loss and nowhere else, and their float32 copies exist a chunk at a time: with a
vocabulary of 128k, 4096 positions would take 2 GiB in float32, three times in backward.

Shape letters: B sequences, T tokens a sequence, K columns with loss in any sequence, N supervised tokens, V vocabulary.
"""

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from ftlab.data.row import IGNORED, MicroBatch
from ftlab.kernels.loss import decoder_of, head_obstacle, head_sum_nll

CHUNK_ELEMENTS = 2**25
"""Logits that are in float32 at the same time: 128 MiB."""


def sum_nll(model: nn.Module, micro: MicroBatch, chunk_elements: int = CHUNK_ELEMENTS) -> Tensor:
    """Σ over supervised tokens of −log p(token | tokens before it in its row), in nats.

    Nothing here waits for the device if `micro` is on the CPU: which positions carry loss is found before the copy.

    Args:
        model: Returns `logits` [B, T, V]. Prompt tuning may put virtual tokens before the T.
        micro: Rows of one forward pass, on any device.
        chunk_elements: The most logits that are in float32 at the same time.

    Returns:
        Shape [], float32 (float64 for a float64 model).
    """
    carries_BT = micro.targets != IGNORED
    columns_K = carries_BT.any(0).nonzero().squeeze(1)
    carries_BK = carries_BT[:, columns_K]
    targets_N = micro.targets[:, columns_K][carries_BK]
    places_N = carries_BK.flatten().nonzero().squeeze(1)

    device = next(model.parameters()).device
    if head_obstacle(model) is None:
        every_N = carries_BT.flatten().nonzero().squeeze(1).to(device, non_blocking=True)
        hidden_BTC = decoder_of(model)(**model_arguments(micro.to(device))).last_hidden_state
        hidden_NC = hidden_BTC.flatten(0, 1).index_select(0, every_N)
        return head_sum_nll(model, hidden_NC, micro.targets[carries_BT].to(device, non_blocking=True))
    # Counted from the end, positions mean the same with and without virtual tokens in front.
    from_end_K = (columns_K - micro.targets.shape[1]).to(device, non_blocking=True)
    logits_PV = _logits_at(model, micro.to(device), from_end_K).flatten(0, 1)  # P = B · K
    if len(places_N) < len(logits_PV):
        logits_PV = logits_PV.index_select(0, places_N.to(device, non_blocking=True))
    return _chunked_nll(logits_PV, targets_N.to(device, non_blocking=True), chunk_elements)


def model_arguments(micro: MicroBatch) -> dict[str, Any]:
    """What the model is called with."""
    arguments: dict[str, Any] = {"input_ids": micro.input_ids, "use_cache": False}
    if micro.cu_seqlens is None:
        return arguments | {"attention_mask": micro.attention_mask}
    return arguments | {
        "position_ids": micro.position_ids,
        "cu_seq_lens_q": micro.cu_seqlens,
        "cu_seq_lens_k": micro.cu_seqlens,
        "max_length_q": micro.max_row_tokens,
        "max_length_k": micro.max_row_tokens,
    }


def _logits_at(model: nn.Module, micro: MicroBatch, from_end_K: Tensor) -> Tensor:
    """Logits [B, K, V] at the given columns, counted from the end (negative)."""
    arguments = model_arguments(micro)
    if _takes_positions(_inner_class(model)):
        return model(**arguments, logits_to_keep=from_end_K).logits  # type: ignore[no-any-return]
    return model(**arguments).logits[:, from_end_K]  # type: ignore[no-any-return]


def _inner_class(model: nn.Module) -> Any:
    """The class of the model that makes the logits, without PEFT around it."""
    get_base_model: Any = getattr(model, "get_base_model", None)
    return type(model if get_base_model is None else get_base_model())


@cache
def _takes_positions(model_class: Any) -> bool:
    """Whether the model can make logits at some positions only, as nearly all causal models of Transformers can."""
    return "logits_to_keep" in inspect.signature(model_class.forward).parameters


def _chunked_nll(logits_NV: Tensor, targets_N: Tensor, chunk_elements: int) -> Tensor:
    """Σ NLL; beyond one chunk, the float32 copies of each are thrown away and made again in backward."""
    positions = max(1, chunk_elements // logits_NV.shape[1])
    if len(targets_N) <= positions:
        return _nll(logits_NV, targets_N)
    chunks = zip(logits_NV.split(positions), targets_N.split(positions), strict=True)
    sums = [checkpoint(_nll, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
    return torch.stack(sums).sum()


def _nll(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    wide = torch.promote_types(logits_NV.dtype, torch.float32)
    return cross_entropy(logits_NV.to(wide), targets_N, reduction="sum")
