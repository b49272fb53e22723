"""Tokens a second: padding, evaluation and warm-up don't count."""

import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from ftlab import metric
from ftlab.callbacks.throughput import ThroughputLog
from ftlab.data.row import MicroBatch
from ftlab.training.loss import sum_nll
from tests.callbacks.watched import watch
from tests.training.toy import toy_rows

SLOW_S = 0.15


def _slow_evaluation(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
    time.sleep(0.05 if model.training else SLOW_S)
    return sum_nll(model, micro)


class SlowCheckpoint(Callback):
    def on_validation_end(self, *args: object) -> None:
        time.sleep(SLOW_S)


def test_pace_counts_real_tokens_and_the_time_of_steps_alone(tmp_path: Path) -> None:
    log = ThroughputLog(warm_up_steps=0)
    rows, _, _ = watch(
        tmp_path, [log, SlowCheckpoint()], steps=3, eval_every_steps=1, nll=_slow_evaluation, micro_batch_tokens=1000
    )
    steps = [row for row in rows if metric.STEP_S in row]
    assert len(steps) == 3
    tokens = sum(row[metric.TOKENS_PER_S] * row[metric.STEP_S] for row in steps)
    supervised = sum(row[metric.SUPERVISED_TOKENS_PER_S] * row[metric.STEP_S] for row in steps)
    assert tokens == pytest.approx(sum(map(len, toy_rows(24))))  # three steps of 8 rows are all 24
    assert supervised == pytest.approx(sum(row.targets_count for row in toy_rows(24)))
    pace = log.summary()
    assert pace is not None
    seconds = sum(row[metric.STEP_S] for row in steps)
    assert (pace.steps, pace.step_s) == (3, pytest.approx(seconds / 3))
    assert pace.tokens_per_s == pytest.approx(tokens / seconds)
    assert all(row[metric.STEP_S] >= 0.05 for row in steps)


def test_evaluation_is_outside_the_clock(tmp_path: Path) -> None:
    log = ThroughputLog(warm_up_steps=0)
    begin_s = time.perf_counter()
    watch(tmp_path, [log, SlowCheckpoint()], steps=4, eval_every_steps=1, nll=_slow_evaluation)
    whole_s = time.perf_counter() - begin_s
    pace = log.summary()
    assert pace is not None
    assert pace.step_s * pace.steps < whole_s - 4 * 2 * SLOW_S


@pytest.mark.parametrize(("warm_up_steps", "counted"), [(0, 4), (3, 1), (4, 4), (9, 4)])
def test_warm_up_is_left_out_of_the_mean_where_enough_steps_follow(
    tmp_path: Path, warm_up_steps: int, counted: int
) -> None:
    log = ThroughputLog(warm_up_steps)
    assert log.summary() is None
    watch(tmp_path, [log], steps=4)
    pace = log.summary()
    assert pace is not None
    assert pace.steps == counted
