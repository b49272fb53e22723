"""Perplexity from sums: exact under any split into batches and ranks, at any precision of the module around it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from ftlab.evaluation.perplexity import HeldOut, Perplexity, held_out, perplexity


@dataclass
class Micro:
    """The part of a micro-batch that is looked at, with its answer."""

    targets: Tensor
    row_ids: tuple[int, ...]
    nll_sum: float

    def to(self, device: torch.device | str) -> "Micro":
        return Micro(self.targets.to(device), self.row_ids, self.nll_sum)


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


def test_held_out_sums_over_micro_batches_without_gradients() -> None:
    def nll(micro: Micro) -> Tensor:
        assert not torch.is_grad_enabled()
        return torch.tensor(micro.nll_sum)

    batches = [Micro(torch.tensor([[5, 7, -100]]), (0, 1), 4.0), Micro(torch.tensor([[-100, 9, -100]]), (2,), 0.5)]
    found = held_out(batches, nll=nll, device="cpu")
    assert found == HeldOut(loss=1.5, perplexity=pytest.approx(math.exp(1.5)), tokens=3, rows=3)


def test_held_out_refuses_no_rows() -> None:
    with pytest.raises(ValueError, match="supervised token"):
        held_out([], nll=lambda micro: torch.zeros(()), device="cpu")


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
