"""Σ NLL of a micro-batch against a slow, obvious one, in every layout."""

from typing import Any

import pytest
import torch
from peft import PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor, nn

from ftlab.data.pack import collate
from ftlab.data.row import EncodedRow, Layout
from ftlab.kernels.attention import packed_attention
from ftlab.training.loss import _chunked_nll, sum_nll
from tests.reference.nll import row_nll
from tests.training.toy import toy_model, toy_rows


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _model(layout: Layout, dtype: torch.dtype = torch.float64) -> nn.Module:
    model = toy_model(dtype=dtype)
    if layout == "packed":
        packed_attention(model)
    return model


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_loss_and_gradients_equal_row_by_row_reference(layout: Layout) -> None:
    rows = toy_rows(5)
    reference = toy_model(dtype=torch.float64)
    expected = sum(row_nll(reference, row) for row in rows)
    expected.backward()

    model = _model(layout)
    nll = sum_nll(model, collate(rows, layout, pad_id=0))
    nll.backward()

    assert nll.item() == pytest.approx(expected.item(), rel=1e-12)
    for name, gradient in _gradients(model).items():
        torch.testing.assert_close(gradient, dict(reference.named_parameters())[name].grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_chunks_change_neither_loss_nor_gradients(layout: Layout) -> None:
    micro = collate(toy_rows(5), layout, pad_id=0)
    whole, chunked = _model(layout), _model(layout)
    one, other = sum_nll(whole, micro), sum_nll(chunked, micro, chunk_elements=4 * 48)
    one.backward()
    other.backward()
    assert other.item() == pytest.approx(one.item(), rel=1e-12)
    for name, gradient in _gradients(whole).items():
        torch.testing.assert_close(_gradients(chunked)[name], gradient, rtol=1e-10, atol=1e-13)


def test_chunks_hold_no_float32_copy_of_all_logits() -> None:
    logits = torch.randn(64, 48, dtype=torch.bfloat16, requires_grad=True)
    saved: list[int] = []

    def count(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel() if tensor.dtype == torch.float32 else 0)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        _chunked_nll(logits, torch.zeros(64, dtype=torch.int64), chunk_elements=8 * 48)
    assert max(saved, default=0) < 8 * 48


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_logits_are_made_where_a_row_carries_loss_only(layout: Layout) -> None:
    rows = toy_rows(3)
    model = _model(layout)
    seen: list[int] = []
    model.lm_head.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0] * args[0].shape[1]))
    sum_nll(model, collate(rows, layout, pad_id=0))
    supervised = sum(row.targets_count for row in rows)
    columns = len({place for row in rows for place in range(len(row) // 2, len(row)) if place > 0})
    assert seen == [supervised if layout == "packed" else len(rows) * columns]


def test_model_that_makes_all_logits_gives_the_same_loss() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = toy_model(dtype=torch.float64)

        def forward(self, input_ids: Tensor, attention_mask: Tensor, use_cache: bool) -> Any:
            return self.inner(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)

    micro = collate(toy_rows(4), "padded", pad_id=0)
    assert sum_nll(Whole(), micro).item() == pytest.approx(sum_nll(_model("padded"), micro).item(), rel=1e-12)


def test_padding_has_no_part_in_the_loss() -> None:
    model, rows = _model("padded"), toy_rows(4)
    losses = {sum_nll(model, collate(rows, "padded", pad_id=pad)).item() for pad in (0, 5, 11)}
    assert len(losses) == 1


def test_row_without_supervision_adds_nothing() -> None:
    model, rows = _model("packed"), toy_rows(3)
    silent = EncodedRow(99, torch.arange(1, 6), torch.zeros(5, dtype=torch.bool))
    with_silent = sum_nll(model, collate([*rows, silent], "packed", pad_id=0))
    assert with_silent.item() == pytest.approx(sum_nll(model, collate(rows, "packed", pad_id=0)).item(), rel=1e-12)
    nothing = sum_nll(model, collate([silent], "packed", pad_id=0))
    nothing.backward()
    assert nothing.item() == 0
    assert all(bool((gradient == 0).all()) for gradient in _gradients(model).values())


def test_bfloat16_logits_are_summed_in_float32() -> None:
    nll = sum_nll(_model("packed", torch.bfloat16), collate(toy_rows(5), "packed", pad_id=0))
    assert nll.dtype == torch.float32


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT asks Transformers
@pytest.mark.parametrize("config", [PromptTuningConfig, PrefixTuningConfig])
def test_virtual_tokens_leave_each_target_on_its_place(config: Any) -> None:
    model = get_peft_model(toy_model(), config(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3)).double()
    rows = toy_rows(4)
    expected = sum(
        row_nll(lambda input_ids: model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)), row)  # type: ignore[arg-type]
        for row in rows
    )
    assert sum_nll(model, collate(rows, "padded", pad_id=0)).item() == pytest.approx(expected.item(), rel=1e-10)
