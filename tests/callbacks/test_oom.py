"""A step that ran out of memory is told everywhere, and the run's numbers show it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from ftlab import metric
from ftlab.callbacks.oom import OomLog
from ftlab.data.row import MicroBatch
from ftlab.logger.csv import MetricsFile
from ftlab.logger.wandb import WandbRun
from ftlab.training.loss import sum_nll
from tests.callbacks.watched import watch
from tests.reference.read_wandb import read_offline_run


def _fails_above(tokens: int, micro: MicroBatch, model: torch.nn.Module) -> torch.Tensor:
    if model.training and micro.input_ids.numel() > tokens:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return sum_nll(model, micro)


def test_a_retry_reaches_log_metrics_alert_and_run_card(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, log = WandbRun(tmp_path), OomLog()
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        rows, _, module = watch(
            tmp_path,
            [log],
            loggers=[MetricsFile(tmp_path), run],
            nll=lambda model, micro: _fails_above(14, micro, model),
            micro_batch_tokens=64,
        )
    run.finish()
    steps = [row for row in rows if metric.OOM_RETRIES in row]
    retries = [row[metric.OOM_RETRIES] for row in steps]
    assert retries == sorted(retries)
    assert retries[-1] == len(log.events) != 0
    assert steps[-1][metric.MICRO_BATCH_TOKENS] == module.runner.micro_batch_tokens
    first = log.events[0]
    assert first["budget_before"] == 64
    assert first["budget_after"] < 64
    assert first.keys() == {
        "step", "phase", "longest_row", "budget_before", "budget_after", "recompute", "allocated", "reserved",
    }  # fmt: skip
    told = [record.getMessage() for record in caplog.records if record.name == "ftlab.callbacks.oom"]
    assert len(told) == len(log.events)
    assert f"micro-batches now hold {first['budget_after']} tokens instead of 64" in told[0]
    assert run.local_folder is not None
    found = read_offline_run(run.local_folder)
    assert found.alerts == [("Out of memory, run again", told[0], "WARN")]  # one, however many events
    assert len(log.events) > 1
    assert found.summary["oom/retries"] == len(log.events)
    assert _table(found.history, run.local_folder, "oom/events") == [list(event.values()) for event in log.events]


def _table(history: list[dict[str, Any]], folder: Path, key: str) -> list[list[Any]]:
    """The rows of a table that an offline run keeps in its folder."""
    (place,) = [row[f"{key}.path"] if f"{key}.path" in row else row[key]["path"] for row in history if _has(row, key)]
    rows: list[list[Any]] = json.loads((folder / "files" / place).read_text())["data"]
    return rows


def _has(row: dict[str, Any], key: str) -> bool:
    return key in row or f"{key}.path" in row


def test_a_run_that_fits_has_no_events(tmp_path: Path) -> None:
    log = OomLog()
    rows, _, _ = watch(tmp_path, [log], micro_batch_tokens=64)
    assert log.events == []
    assert {row[metric.OOM_RETRIES] for row in rows if metric.OOM_RETRIES in row} == {0}


def test_a_resumed_run_goes_on_counting() -> None:
    before, after = OomLog(), OomLog()
    before.events.append({"step": 3})
    after.load_state_dict(before.state_dict())
    after.events.append({"step": 5})
    assert [event["step"] for event in after.events] == [3, 5]
    assert len(before.events) == 1
