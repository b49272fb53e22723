"""Perplexity from sums: exact under any split into batches and ranks, at any precision of the module around it."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torchmetrics.text import Perplexity as TorchmetricsPerplexity

from ftlab.data.pack import collate
from ftlab.data.row import IGNORED
from ftlab.evaluation.breakdown import section
from ftlab.evaluation.perplexity import Perplexity, RowSums, figure, measure, perplexity
from ftlab.kernels.attention import packed_attention
from ftlab.training.row_nll import row_nll
from tests.reference.nll import row_nll as slow_nll
from tests.training.toy import toy_model, toy_rows


@dataclass
class Micro:
    """The part of a micro-batch that is looked at, with its answer."""

    row_ids: tuple[int, ...]
    sums: list[list[float]]

    def to(self, device: torch.device | str) -> "Micro":
        return self


def _sums(micro: Micro) -> Tensor:
    assert not torch.is_grad_enabled()
    return torch.tensor(micro.sums, dtype=torch.float64)


def _rows(*rows: tuple[int, int, float, int, float, int]) -> RowSums:
    """Rows by id, length, Σ NLL and tokens of the answer and of the text."""
    ids, lengths, answer, answer_tokens, text, text_tokens = zip(*rows, strict=True)
    whole = [np.array(column, dtype=np.int64) for column in (ids, lengths, answer_tokens, text_tokens)]
    return RowSums(whole[0], whole[1], np.array(answer), whole[2], np.array(text), whole[3])


def test_perplexity_of_a_uniform_model_is_its_vocabulary_size() -> None:
    metric = Perplexity()
    for tokens in (3, 50, 7):
        metric.update(torch.tensor(tokens * math.log(512.0)), tokens)
    loss = metric.compute()
    assert loss.dtype == torch.float64
    assert perplexity(loss).item() == pytest.approx(512, rel=1e-6)


def test_loss_weights_tokens_not_batches() -> None:
    metric = Perplexity()
    metric.update(torch.tensor(10.0), 1)
    metric.update(torch.tensor(99.0), torch.tensor(99))
    assert metric.compute().item() == pytest.approx(109 / 100)


@pytest.mark.parametrize("cast", [lambda m: m.to(torch.bfloat16), lambda m: m.half(), lambda m: m.bfloat16()])
def test_sums_stay_in_float64_when_the_module_is_cast(cast: Callable[[nn.Module], nn.Module]) -> None:
    module = nn.ModuleDict({"metric": Perplexity(), "linear": nn.Linear(2, 2)})
    metric = module["metric"]
    metric.update(torch.tensor(1.0), 1)
    cast(module)
    assert next(module.parameters()).dtype != torch.float32
    for _ in range(1000):  # a bfloat16 sum would stop at 256
        metric.update(torch.tensor(1.0, dtype=torch.bfloat16), 1)
    assert metric.nll_sum.dtype == metric.tokens.dtype == torch.float64
    assert (metric.nll_sum.item(), metric.tokens.item()) == (1001, 1001)
    metric.reset()
    assert metric.nll_sum.dtype == torch.float64


def test_compute_refuses_rows_without_a_supervised_token() -> None:
    metric = Perplexity()
    metric.update(torch.tensor(0.0), 0)
    with pytest.raises(ValueError, match="at least one supervised token, but have none"):
        metric.compute()


def test_perplexity_overflows_to_infinity() -> None:
    assert perplexity(torch.tensor(1e4)).item() == math.inf


def test_sums_of_all_micro_batches_are_kept_by_row_in_order() -> None:
    batches = [Micro((7, 2), [[4.0, 2, 9.0, 5], [0.5, 1, 2.0, 3]]), Micro((5,), [[1.0, 3, 2.0, 4]])]
    found = measure(batches, sums=_sums, device="cpu")
    assert found.ids.tolist() == [2, 5, 7]
    assert found.answer_nll.tolist() == [0.5, 1.0, 4.0]
    assert found.answer_tokens.tolist() == [1, 3, 2]
    assert found.text_nll.tolist() == [2.0, 2.0, 9.0]
    assert found.lengths.tolist() == [4, 5, 6]


def test_parts_of_a_split_row_are_one_row() -> None:
    found = measure([Micro((3, 3), [[1.0, 1, 2.0, 3], [2.0, 2, 4.0, 5]])], sums=_sums, device="cpu")
    assert (found.ids.tolist(), found.answer_nll.tolist(), found.lengths.tolist()) == ([3], [3.0], [10])


@pytest.mark.parametrize("batches", [[], [Micro((1,), [[0.0, 0, 3.0, 2]])]])
def test_rows_without_a_supervised_token_are_refused(batches: list[Micro]) -> None:
    with pytest.raises(ValueError, match="supervised token"):
        measure(batches, sums=_sums, device="cpu")


def test_figure_agrees_with_an_independent_loop_and_with_torchmetrics() -> None:
    """Packed, chunked and summed by row here; one padded batch of whole logits there."""
    model, rows = toy_model(), toy_rows(9)
    micro = collate(rows, "padded", pad_id=0)
    with torch.no_grad():
        logits = model(input_ids=micro.input_ids, attention_mask=micro.attention_mask).logits
        slow = sum(slow_nll(model, row).item() for row in rows) / sum(row.targets_count for row in rows)
    theirs = TorchmetricsPerplexity(ignore_index=IGNORED)
    theirs.update(logits, micro.targets)

    packed_attention(model)
    batches = [collate(rows[:5], "packed", 0), collate(rows[5:], "packed", 0)]
    sums = measure(batches, sums=lambda batch: row_nll(model, batch, 5000), device="cpu")
    found = figure(sums.answer_nll, sums.answer_tokens)
    assert found is not None
    assert found.loss == pytest.approx(slow, abs=1e-6)
    assert found.perplexity == pytest.approx(theirs.compute().item(), abs=1e-4)
    assert (found.rows, found.tokens) == (9, sum(row.targets_count for row in rows))
    assert found.low is not None
    assert found.high is not None
    assert found.low < (found.perplexity or 0) < found.high


def test_rows_without_an_answer_have_no_part_in_the_figure() -> None:
    found = figure(np.array([4.0, 0.0, 2.0]), np.array([2, 0, 1]))
    assert found is not None
    assert (found.loss, found.rows, found.tokens) == (2.0, 2, 3)
    assert figure(np.zeros(2), np.zeros(2, np.int64)) is None


def test_figures_stay_numbers_that_json_has() -> None:
    for nll in (1e6, math.nan, math.inf):
        found = figure(np.array([nll, nll]), np.array([1, 1]))
        assert found is not None
        assert found.perplexity is None
        json.dumps(found.to_dict(), allow_nan=False)


ROWS = _rows(
    (0, 40, 20.0, 10, 90.0, 39), (1, 64, 30.0, 10, 120.0, 63), (9, 65, 4.0, 4, 80.0, 64), (12, 300, 9, 3, 9, 299)
)


def test_section_tells_sources_and_lengths_apart() -> None:
    found = section(None, ROWS, [("main", 0, 5), ("mixed", 5, 20), ("main", 100, 110), ("train only", 20, 100)])
    assert found is not None
    assert found["answers"]["base"] is None
    assert found["answers"]["tuned"]["loss"] == pytest.approx(63 / 27)
    assert found["text"]["tuned"]["tokens"] == 465
    assert [(one["name"], one["tuned"]["rows"], one["tuned"]["loss"]) for one in found["sources"]] == [
        ("main", 2, 2.5),
        ("mixed", 2, pytest.approx(13 / 7)),
    ]
    assert [(one["name"], one["tuned"]["rows"]) for one in found["lengths"]] == [
        ("1–64 tokens", 2),
        ("65–128 tokens", 1),
        ("257–512 tokens", 1),
    ]
    assert found["lengths"][1]["tuned"]["low"] is None  # one row
    texts = [(one["text"]["base"], one["text"]["tuned"]["tokens"]) for one in found["sources"]]
    assert texts == [(None, 39 + 63), (None, 64 + 299)]
    assert found["lengths"][0]["text"]["tuned"]["loss"] == pytest.approx((90 + 120) / (39 + 63))
    assert found["difference"] is None


def test_section_pairs_the_difference_of_base_and_tuned() -> None:
    tuned = replace(ROWS, answer_nll=ROWS.answer_nll - 0.5 * ROWS.answer_tokens)
    found = section(ROWS, tuned)
    assert found is not None
    assert found["difference"] == {key: pytest.approx(-0.5) for key in ("loss", "low", "high")}
    assert found["answers"]["base"]["loss"] - found["answers"]["tuned"]["loss"] == pytest.approx(0.5)
    json.dumps(found, allow_nan=False)


def test_section_without_measurements_is_none() -> None:
    assert section(None, None) is None


def _rank(rank: int, store: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = Perplexity()
    # Rank 1 has no supervised token in its share: a mean of the ranks' means would be undefined.
    metric.update(torch.tensor([12.0, 0.0])[rank], [4, 0][rank])
    assert metric.compute().item() == 3.0
    metric.reset()
    metric.update(torch.tensor([10.0, 2.0])[rank], [1, 9][rank])
    assert metric.compute().item() == pytest.approx(1.2)
    dist.destroy_process_group()


@pytest.mark.slow
def test_ranks_are_summed_not_averaged(tmp_path: Path) -> None:
    mp.spawn(_rank, args=(str(tmp_path / "store"),), nprocs=2)
