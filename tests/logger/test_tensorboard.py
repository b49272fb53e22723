"""TensorBoard takes what the other loggers take: tensors, and the nested configuration."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from ftlab import logger, metric


def test_the_same_values_reach_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoardLogger(tmp_path, name="tensorboard", version="")
    board.log_hyperparams({"model": {"name": "tiny", "layers": 2}})
    trainer = SimpleNamespace(is_global_zero=True, loggers=[board])
    for step in range(4):
        logger.log(trainer, {metric.TRAIN_LOSS: torch.tensor(1.0 / (step + 1)), metric.STEP_S: 0.5}, step)
    logger.flush(trainer)
    board.finalize("success")
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = {event.step: event.value for event in found.Scalars(metric.TRAIN_LOSS)}
    assert losses == pytest.approx({0: 1.0, 1: 1 / 2, 2: 1 / 3, 3: 1 / 4})
    assert "name: tiny" in (tmp_path / "tensorboard" / "hparams.yaml").read_text()
