"""Pauses between steps: what lies in them, and what doesn't."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from ftlab import metric
from ftlab.callbacks.throughput import ThroughputLog
from ftlab.training.idle import IdleClock
from tests.callbacks.watched import watch

CPU = torch.device("cpu")
SLOW_S = 0.05


def test_pause_lasts_from_the_update_to_the_first_forward_pass() -> None:
    clock = IdleClock()
    clock.work_begins(CPU)
    assert clock.pause_s() is None  # nothing came before
    clock.work_ends(CPU)
    time.sleep(SLOW_S)
    clock.work_begins(CPU)
    pause_s = clock.pause_s()
    assert pause_s is not None
    assert SLOW_S <= pause_s < 20 * SLOW_S
    time.sleep(SLOW_S)
    clock.work_begins(CPU)  # a second micro-batch of the same step
    assert clock.pause_s() == pause_s


def test_pause_with_an_evaluation_in_it_is_not_measured() -> None:
    clock = IdleClock()
    clock.work_ends(CPU)
    clock.forget()
    clock.work_begins(CPU)
    assert clock.pause_s() is None


class SlowLog(Callback):
    def on_train_batch_end(self, *args: Any) -> None:
        time.sleep(SLOW_S)


def test_slow_logging_shows_as_idle_time_of_the_next_step(tmp_path: Path) -> None:
    log = ThroughputLog(warm_up_steps=0)
    rows, _, _ = watch(tmp_path, [log, SlowLog()], steps=4, eval_every_steps=3)
    idle = {int(row[metric.STEP]): row.get(metric.IDLE_S) for row in rows if metric.STEP_S in row}
    assert (idle[1], idle[4]) == (None, None)  # the first step, and the one behind the evaluation
    assert all(value is not None and value >= SLOW_S for value in (idle[2], idle[3]))
    steps = {int(row[metric.STEP]): row[metric.STEP_S] for row in rows if metric.STEP_S in row}
    pace = log.summary()
    assert pace is not None
    waited = idle[2] + idle[3]
    assert pace.idle_share == pytest.approx(waited / (waited + steps[2] + steps[3]))
