"""Each step's loss and what belongs to it, under the step's own number."""

import math
from pathlib import Path

import pytest
import torch

from ftlab import metric
from ftlab.callbacks.loss import LossLog
from ftlab.data.row import MicroBatch
from ftlab.optimizer.schedule import build_schedule
from ftlab.training.loss import sum_nll
from tests.callbacks.watched import watch
from tests.training.toy import Recorder


def test_every_step_is_logged_with_its_own_values(tmp_path: Path) -> None:
    truth = Recorder()
    rows, _, _ = watch(tmp_path, [LossLog(), truth])
    assert [row[metric.STEP] for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    trained = {row[metric.STEP]: row for row in rows if metric.TRAIN_LOSS in row}
    assert list(trained) == [1, 2, 3, 4, 5, 6]
    assert {step: row[metric.TRAIN_LOSS] for step, row in trained.items()} == truth.losses
    assert {step: row[metric.GRAD_NORM] for step, row in trained.items()} == truth.norms
    assert {step: row[metric.LEARNING_RATE] for step, row in trained.items()} == truth.rates
    for row in trained.values():
        assert row[metric.TRAIN_PERPLEXITY] == pytest.approx(math.exp(row[metric.TRAIN_LOSS]))
    assert [row[metric.TRAIN_EPOCH] for row in trained.values()] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])


def test_learning_rate_is_the_one_that_the_step_used(tmp_path: Path) -> None:
    schedule = build_schedule("linear", total_steps=4, warmup=2)
    rows, _, _ = watch(tmp_path, [LossLog()], steps=4, schedule=schedule)
    rates = [row[metric.LEARNING_RATE] for row in rows if metric.LEARNING_RATE in row]
    assert rates == pytest.approx([0.01 * schedule(step) for step in range(4)])


def test_held_out_loss_stands_in_the_row_of_its_step(tmp_path: Path) -> None:
    truth = Recorder()
    rows, _, _ = watch(tmp_path, [LossLog(), truth])
    found = {row[metric.STEP]: row[metric.VAL_LOSS] for row in rows if metric.VAL_LOSS in row}
    assert found == pytest.approx(truth.validations)
    assert list(found) == [0, 2, 4, 6]
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + 7  # no step on two lines
    assert lines[0] == ",".join(metric.ALL)  # and no key but ours


def test_skipped_steps_are_counted(tmp_path: Path) -> None:
    calls = 0

    def nll(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
        nonlocal calls
        calls += model.training
        return sum_nll(model, micro) * (math.nan if model.training and calls in (2, 4) else 1)

    rows, _, _ = watch(tmp_path, [LossLog()], nll=nll, micro_batch_tokens=1000)
    skipped = [row[metric.SKIPPED_STEPS] for row in rows if metric.SKIPPED_STEPS in row]
    assert skipped == [0, 1, 1, 2, 2, 2]
