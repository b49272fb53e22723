"""The order of rows: fixed by seed and step alone, whole, and the same whether or not a run was broken off."""

from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ftlab.data.datamodule import EvaluationChunks, RowsDataModule, StepBatches, total_steps, whole
from ftlab.data.epoch import epoch_order, most_tokens, step_order
from ftlab.data.row import EncodedRow


def rows(count: int) -> list[EncodedRow]:
    return [
        EncodedRow(number, torch.arange(1 + number % 7), torch.ones(1 + number % 7, dtype=torch.bool))
        for number in range(count)
    ]


def ids(batches: Any) -> list[list[int]]:
    return [[row.id for row in batch] for batch in batches]


def module(count: int = 10, **settings: Any) -> RowsDataModule:
    return RowsDataModule(rows(count), rows(5), **({"batch_rows": 4, "epochs": 2} | settings))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_every_epoch_holds_every_row_once(count: int, batch_rows: int, epochs: int) -> None:
    steps = total_steps(count, batch_rows, epochs, None)
    seen = ids(StepBatches(rows(count), batch_rows=batch_rows, steps=steps, seed=1))
    flat = [row_id for step in seen for row_id in step]
    assert [sorted(flat[epoch * count : (epoch + 1) * count]) for epoch in range(epochs)] == [
        list(range(count))
    ] * epochs
    assert len(seen) == steps
    assert all(0 < len(step) <= batch_rows for step in seen)


def test_order_changes_with_epoch_and_seed_and_with_nothing_else() -> None:
    assert epoch_order(whole(50), seed=1, epoch=0).tolist() == epoch_order(whole(50), seed=1, epoch=0).tolist()
    assert epoch_order(whole(50), seed=1, epoch=0).tolist() != epoch_order(whole(50), seed=1, epoch=1).tolist()
    assert epoch_order(whole(50), seed=1, epoch=0).tolist() != epoch_order(whole(50), seed=2, epoch=0).tolist()


def test_order_is_the_one_that_earlier_versions_gave() -> None:
    assert epoch_order(whole(8), seed=1, epoch=0).tolist() == [2, 4, 7, 5, 0, 6, 3, 1]


@given(st.integers(0, 6))
def test_loader_started_at_a_step_gives_exactly_the_tail(start_step: int) -> None:
    whole, tail = module().train_dataloader(), module(start_step=start_step).train_dataloader()
    assert ids(tail) == ids(whole)[start_step:]
    assert len(tail) == len(whole) == 6


def test_loader_gives_the_same_when_iterated_again() -> None:
    loader = module().train_dataloader()
    assert ids(loader) == ids(loader)


@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 5))
def test_ranks_share_the_rows_of_a_step_without_overlap(count: int, batch_rows: int, world_size: int) -> None:
    steps = total_steps(count, batch_rows, 2, None)
    settings: dict[str, Any] = {"batch_rows": batch_rows, "steps": steps, "seed": 1}
    whole = ids(StepBatches(rows(count), **settings))
    parts = [ids(StepBatches(rows(count), **settings, rank=rank, world_size=world_size)) for rank in range(world_size)]
    for step, expected in enumerate(whole):
        assert sorted(row_id for part in parts for row_id in part[step]) == sorted(expected)
        assert max(len(part[step]) for part in parts) - min(len(part[step]) for part in parts) <= 1


@given(st.integers(0, 20), st.integers(1, 30), st.integers(1, 5))
def test_ranks_share_validation_rows_in_equally_many_chunks(count: int, chunk_tokens: int, world_size: int) -> None:
    parts = [
        EvaluationChunks(rows(count), chunk_tokens=chunk_tokens, layout="packed", rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert len({len(part) for part in parts}) == 1
    assert sorted(row.id for part in parts for chunk in part for row in chunk) == list(range(count))
    assert all(len(chunk) <= 1 or sum(map(len, chunk)) <= chunk_tokens for part in parts for chunk in part)


def test_validation_chunks_are_the_same_each_time() -> None:
    data = module(validation_tokens=6)
    assert ids(data.val_dataloader()) == ids(data.val_dataloader())
    assert len(data.val_dataloader()) > 1


@pytest.mark.parametrize(
    ("count", "batch_rows", "epochs", "max_steps", "expected"),
    [(33, 16, 3, None, 9), (32, 16, 3, None, 6), (5, 16, 1, None, 1), (33, 16, 3, 4, 4), (33, 16, 0.5, None, 2)],
)
def test_total_steps(count: int, batch_rows: int, epochs: float, max_steps: int | None, expected: int) -> None:
    assert total_steps(count, batch_rows, epochs, max_steps) == expected


@pytest.mark.parametrize("world_size", [1, 3])
def test_largest_step_is_that_of_the_steps_that_are_run(world_size: int) -> None:
    train = rows(40)
    tokens = np.array([len(row) for row in train])
    order = list(step_order(whole(40), seed=5, batch_rows=7, steps=9))
    ranks = [
        StepBatches(train, batch_rows=7, steps=9, seed=5, rank=r, world_size=world_size) for r in range(world_size)
    ]
    shares = [[len(row) for row in step] for rank in ranks for step in rank]
    assert most_tokens(order, tokens, world_size) == max(map(sum, shares))
    padded = max(max(share, default=0) * len(share) for share in shares)
    assert most_tokens(order, tokens, world_size, "padded") == padded


def test_max_steps_beyond_the_epochs_goes_on_with_new_epochs() -> None:
    seen = ids(module(count=4, epochs=1, max_steps=3).train_dataloader())
    assert [sorted(step) for step in seen] == [[0, 1, 2, 3]] * 3


@pytest.mark.parametrize("name", ["rows", "batch_rows", "epochs", "max_steps"])
def test_numbers_that_are_not_positive_are_refused(name: str) -> None:
    numbers: dict[str, Any] = {"rows": 4, "batch_rows": 2, "epochs": 1, "max_steps": 1}
    with pytest.raises(ValueError, match=f"`{name}` must be positive, but is 0"):
        total_steps(**(numbers | {name: 0}))


def test_epoch_counts_rows_seen() -> None:
    data = module(count=10, batch_rows=4)
    assert [data.epoch_at(step) for step in range(5)] == [0.0, 0.4, 0.8, 1.0, 1.4]


class Recorder(L.LightningModule):
    """Notes the rows that reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[list[int]] = []
        self.validated: list[list[int]] = []

    def training_step(self, batch: list[EncodedRow], batch_idx: int) -> torch.Tensor:
        self.trained.append([row.id for row in batch])
        return self.weight * len(batch)

    def validation_step(self, batch: list[EncodedRow], batch_idx: int) -> None:
        self.validated.append([row.id for row in batch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data: RowsDataModule) -> Recorder:
    model = Recorder()
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=data)
    return model


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning")  # Lightning 2.6 with torch 2.15
def test_lightning_epoch_is_the_whole_run() -> None:
    data = module()
    model = fit(data)
    assert model.trained == ids(module().train_dataloader())
    assert model.validated == ids(module().val_dataloader())


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning")
def test_lightning_run_started_at_a_step_sees_the_tail_only() -> None:
    assert fit(module(start_step=4)).trained == ids(module().train_dataloader())[4:]
