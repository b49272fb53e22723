"""Σ NLL of each row of a micro-batch, on its answers and on its whole text, from one forward pass.

In: a causal language model (Transformers, PEFT around it or not) and a `MicroBatch`. Out: four sums a row. Only hidden
states are kept of the forward pass; logits are made of a few positions at a time and reduced at once, whatever the
model does to them (scale, cap): it is called again with its decoder's output given. No gradients.

Shape letters: B sequences, T tokens a sequence, C channels, R rows, N scored positions, V vocabulary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ftlab.data.row import IGNORED, MicroBatch
from ftlab.kernels.loss import decoder_of, nll_
from ftlab.training.loss import model_arguments

BYTES_PER_LOGIT = 12
"""Of the logits of one chunk and the copies of them that exist at the same time: three in float32."""


def row_nll(model: nn.Module, micro: MicroBatch, logits_bytes: int) -> Tensor:
    """Sums up what a model makes of each row.

    Args:
        model: In evaluation mode, with the attention that the micro-batch's layout needs.
        micro: Rows of one forward pass, on the model's device.
        logits_bytes: The most memory that logits may take.

    Returns:
        [R, 4], float64, on the model's device: Σ NLL over the supervised tokens (nats), how many they are, Σ NLL over
        all tokens but each row's first, and how many those are.
    """
    places_N, targets_N, rows_N = _next_tokens(micro)
    with torch.inference_mode():
        decoded = _decoded(model, micro)
        # Counted from the end: virtual tokens may stand in front.
        hidden_NC = decoded.last_hidden_state[:, -micro.input_ids.shape[1] :].flatten(0, 1).index_select(0, places_N)
        nll_N = _nll(model, decoded, hidden_NC, targets_N, logits_bytes).double()
        supervised_N = (micro.targets.flatten()[places_N] != IGNORED).double()
        values_N4 = torch.stack([nll_N * supervised_N, supervised_N, nll_N, torch.ones_like(nll_N)], dim=1)
        return values_N4.new_zeros(len(micro.row_ids), 4).index_add_(0, rows_N, values_N4)


def _next_tokens(micro: MicroBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Positions (in the flattened B · T) behind which a token of the same row stands, that token, and its row."""
    if micro.cu_seqlens is None:
        assert micro.attention_mask is not None, "padded rows have a mask"
        follows_BT = micro.attention_mask[:, 1:].bool()
        rows_BT = torch.arange(len(micro.row_ids), device=micro.input_ids.device)[:, None].expand_as(follows_BT)
    else:
        follows_BT = micro.position_ids[:, 1:] > 0
        lengths_R = micro.cu_seqlens.diff().long()
        rows_BT = torch.arange(len(lengths_R), device=lengths_R.device).repeat_interleave(lengths_R)[None, 1:]
    width = micro.input_ids.shape[1]
    lines_N, columns_N = follows_BT.nonzero(as_tuple=True)
    return lines_N * width + columns_N, micro.input_ids[:, 1:][follows_BT], rows_BT[follows_BT]


def _decoded(model: nn.Module, micro: MicroBatch) -> Any:
    """The decoder's output, without logits."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning:
        return decoder_of(model)(**model_arguments(micro))
    found: list[Any] = []  # PEFT puts virtual tokens in on the way to the decoder
    hook = decoder_of(model).register_forward_hook(lambda module, given, output: found.append(output))
    try:
        model(**model_arguments(micro), logits_to_keep=1)
    finally:
        hook.remove()
    return found[-1]


def _nll(model: nn.Module, decoded: Any, hidden_NC: Tensor, targets_N: Tensor, logits_bytes: int) -> Tensor:
    unwrap: Any = getattr(model, "get_base_model", None)
    inner: Any = model if unwrap is None else unwrap()
    vocabulary = inner.get_output_embeddings().weight.shape[0]
    positions = max(1, logits_bytes // (BYTES_PER_LOGIT * vocabulary))
    parts = []
    for chunk_NC, chunk_N in zip(hidden_NC.split(positions), targets_N.split(positions), strict=True):
        with _given(decoder_of(model), decoded, chunk_NC[None]):
            logits_NV = inner(input_ids=chunk_N[None], use_cache=False).logits[0]
        parts.append(nll_(logits_NV, chunk_N, 1.0, None, False))
    return torch.cat(parts) if parts else hidden_NC.new_zeros(0)


@contextmanager
def _given(decoder: nn.Module, output: Any, hidden_1NC: Tensor) -> Iterator[None]:
    """Lets the decoder answer with these hidden states instead of computing any."""
    own = decoder.__dict__.get("forward")
    decoder.forward = lambda *_, **__: type(output)(**{**output, "last_hidden_state": hidden_1NC})
    try:
        yield
    finally:
        del decoder.forward
        if own is not None:
            decoder.forward = own
