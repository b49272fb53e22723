"""TensorBoard gets what the other loggers get: rows, configuration without secrets, tables; each step once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ftlab import logger, metric
from ftlab.logger.tensorboard import TensorBoardRun

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="TensorBoard isn't installed: pip install 'ftlab[tensorboard]'",
)


def _log(board: TensorBoardRun, steps: range) -> None:
    trainer = SimpleNamespace(is_global_zero=True, loggers=[board])
    for step in steps:
        logger.log(trainer, {metric.TRAIN_LOSS: torch.tensor(1.0 / (step + 1)), metric.STEP_S: 0.5}, step)
    logger.flush(trainer)


def _read(folder: Path) -> Any:
    return accumulator.EventAccumulator(str(folder / "tensorboard")).Reload()


def _text(found: Any, key: str) -> str:
    (event,) = found.Tensors(f"{key}/text_summary")
    return str(event.tensor_proto.string_val[0].decode())


def test_rows_configuration_and_samples_reach_tensorboard_without_secrets(tmp_path: Path) -> None:
    board = TensorBoardRun(tmp_path)
    board.log_hyperparams({"model": {"name": "tiny", "hub_token": "hf_" + "a1B2" * 8}})
    _log(board, range(4))
    board.log_samples(4, [{"question": "How | why?", "answer": "So.\nAnd so."}])
    board.finish()
    board.finish()
    found = _read(tmp_path)
    losses = {event.step: event.value for event in found.Scalars(metric.TRAIN_LOSS)}
    assert losses == pytest.approx({0: 1.0, 1: 1 / 2, 2: 1 / 3, 3: 1 / 4})
    assert '"hub_token": "***"' in _text(found, "config")
    assert _text(found, "samples") == "| question | answer |\n| --- | --- |\n| How \\| why? | So. And so. |"
    assert not [file.name for file in tmp_path.iterdir() if file.name != "tensorboard"]


def test_a_resumed_run_shows_each_step_once(tmp_path: Path) -> None:
    first = TensorBoardRun(tmp_path)
    _log(first, range(6))
    first.finish()
    second = TensorBoardRun(tmp_path)
    second.resume_at(3, attempt=2)
    _log(second, range(4, 8))
    second.finish()
    found = _read(tmp_path)
    assert [event.step for event in found.Scalars(metric.TRAIN_LOSS)] == list(range(8))
    assert [event.value for event in found.Scalars(metric.ATTEMPT)] == [1, 1, 1, 1, 2, 2, 2, 2]


def test_a_failure_is_said_once_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tensorboard").write_text("no folder")
    board = TensorBoardRun(tmp_path)
    _log(board, range(3))
    board.finish()
    (said,) = (entry.message for entry in caplog.records)
    assert said.startswith("TensorBoard could not start (")
