"""Rows of real templates, packed and unpacked: the same loss and the same gradients, to rounding."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ftlab.data.pack import collate
from ftlab.data.row import MicroBatch
from ftlab.kernels.attention import packed_attention
from ftlab.training.loss import sum_nll
from tests.training.packed_rows import FAMILIES, family_model, rows_of, step

LAYINGS = {"packed, some passes": (300, "packed"), "padded, one pass": (10_000, "padded"), "one by one": (1, "padded")}


def hidden(model: PreTrainedModel, micro: MicroBatch) -> Tensor:
    """The last layer's states, shape [T, D]."""
    borders = {"cu_seq_lens_q": micro.cu_seqlens, "cu_seq_lens_k": micro.cu_seqlens}
    longest = {"max_length_q": micro.max_row_tokens, "max_length_k": micro.max_row_tokens}
    with torch.no_grad():
        states: Tensor = model.base_model(
            micro.input_ids, position_ids=micro.position_ids, use_cache=False, **borders, **longest
        )[0][0]
    return states


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_packed_step_equals_unpacked_ones(name: str, dtype: torch.dtype) -> None:
    model, rows = family_model(name, dtype), rows_of(name)
    loss, gradients = step(model, rows, 10_000, "packed")
    # Gemma computes its norms and RoPE in float32 whatever the model's dtype is.
    exact = dtype == torch.float64 and name != "gemma3"
    relative = 1e-9 if exact else 1e-4
    assert loss > 1
    for budget, layout in LAYINGS.values():
        other_loss, other_gradients = step(model, rows, budget, layout)  # type: ignore[arg-type]
        assert float(other_loss) == pytest.approx(float(loss), rel=relative / 10)
        assert other_gradients.keys() == gradients.keys()
        for weight, gradient in gradients.items():
            distance = (other_gradients[weight] - gradient).norm() / gradient.norm().clamp_min(1e-12)
            assert float(distance) < relative, f"{weight} of {layout}, {budget} tokens"


@pytest.mark.parametrize("name", FAMILIES)
def test_each_packed_row_is_read_as_if_it_were_alone(name: str) -> None:
    model, rows = family_model(name, torch.float64), rows_of(name)
    packed_attention(model)
    micro = collate(rows, "packed", pad_id=0)
    assert micro.position_ids[0].tolist() == [place for row in rows for place in range(len(row))]
    packed = hidden(model, micro).split([len(row) for row in rows])
    for row, states in zip(rows, packed, strict=True):
        torch.testing.assert_close(states, hidden(model, collate([row], "packed", pad_id=0)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_borders_and_positions_of_rows_matter_to_the_loss(name: str) -> None:
    """The comparisons above could fail: without borders, or with other positions, the loss is another."""
    model, rows = family_model(name, torch.float64), rows_of(name)
    packed_attention(model)
    micro = collate(rows, "packed", pad_id=0)
    tokens = micro.input_ids.shape[1]
    joined = replace(micro, cu_seqlens=torch.tensor([0, tokens], dtype=torch.int32), max_row_tokens=tokens)
    turned = replace(micro, position_ids=micro.position_ids.flip(1))
    with torch.no_grad():
        loss, *others = [float(sum_nll(model, one)) for one in (micro, joined, turned)]
    assert all(abs(other - loss) > 1e-3 * loss for other in others)
