"""Rows of real templates on small models of their families, and the loss of a step over them in any layout."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ftlab.data.chat import Encoder
from ftlab.data.pack import collate, plan_micro_batches
from ftlab.data.row import EncodedRow, Layout, Message, Row
from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.training.loss import sum_nll
from tests.model.toy import toy_model
from tests.reference.real_templates import stop_ids, tokenizer

FAMILIES: dict[str, dict[str, Any]] = {
    "llama3": {"model_type": "llama"},
    "qwen3": {"model_type": "qwen3"},
    "gemma3": {
        "model_type": "gemma3_text",
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 16,
    },
    "mistral-7b": {"model_type": "mistral", "sliding_window": 16},
}
"""The architecture that belongs to each template."""

ANSWERS = (
    "Yes.",
    "It is the capital of the north, and has been for long.",
    "No, it isn't. " * 4,
    "Köln",
    "\n1.\n2.",
    "So?",
)


@cache
def rows_of(name: str) -> list[EncodedRow]:
    """Conversations of one and two questions, encoded with the template `name`."""
    encoder = Encoder(tokenizer(name), stop_ids=stop_ids(name))
    asked = [Message("user", "Is it so?"), Message("assistant", "Maybe."), Message("user", "What is it?")]
    return encoder.encode_all(
        [
            Row(number, f"rows.jsonl:{number + 1}", messages=(*asked[2 * (number % 2) :], Message("assistant", answer)))
            for number, answer in enumerate(ANSWERS)
        ]
    )


def family_model(name: str, dtype: torch.dtype) -> PreTrainedModel:
    """A two-layer model of the template's family that knows all of its tokens."""
    size = {"vocab_size": len(tokenizer(name)), "pad_token_id": 0, "max_position_embeddings": 1024}
    return toy_model(dtype, **FAMILIES[name], **size)


def step(
    model: PreTrainedModel, rows: Sequence[EncodedRow], budget: int, layout: Layout
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of one optimizer step: the sum over all supervised tokens divided by their number."""
    (packed_attention if layout == "packed" else plain_attention)(model)
    model.zero_grad()
    targets, total = sum(row.targets_count for row in rows), torch.zeros((), dtype=torch.float64)
    for indices in plan_micro_batches([len(row) for row in rows], budget, layout):
        micro = collate([rows[index] for index in indices], layout, pad_id=0).to(model.device)
        loss = sum_nll(model, micro) / targets
        loss.backward()
        total += loss.detach().double().cpu()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return total, found
