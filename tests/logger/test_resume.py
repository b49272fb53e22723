"""A run that broke off and went on leaves the record of an unbroken one, in every place where it is kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import metric
from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.callbacks.checkpoint_folder import find_checkpoint
from ftlab.callbacks.loss import LossLog
from ftlab.callbacks.memory import MemoryLog
from ftlab.callbacks.oom import OomLog
from ftlab.callbacks.samples import FILE as SAMPLES_FILE
from ftlab.callbacks.samples import Question, SampleAnswers, read_samples
from ftlab.callbacks.throughput import ThroughputLog
from ftlab.evaluation.generate import Answer
from ftlab.logger.csv import MetricsFile
from ftlab.logger.wandb import WandbRun
from tests.callbacks.watched import watch
from tests.reference.read_wandb import read_offline_run

STEPS = 8
MEASURED = {
    metric.ATTEMPT, metric.TOKENS_PER_S, metric.SUPERVISED_TOKENS_PER_S, metric.STEP_S, metric.ELAPSED_S,
    metric.MEMORY_PEAK_BYTES, metric.IDLE_S,
}  # fmt: skip
"""What is another number each time."""


class BreakAfter(Callback):
    """Ends the run after a step that no checkpoint holds."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise OSError("power cut")


def _answer(prompts: Sequence[Sequence[int]]) -> list[Answer]:
    return [Answer(f"to {list(prompt)}", stopped=True, tokens=2) for prompt in prompts]


def _train(folder: Path, attempt: int = 1, break_after: int = 0) -> tuple[list[dict[str, float]], WandbRun]:
    found = find_checkpoint(folder / "checkpoints")
    file, run = MetricsFile(folder), WandbRun(folder)
    if found is not None:
        for logger in (file, run):
            logger.resume_at(found.step, attempt)
    watchers = [
        LossLog(),
        ThroughputLog(),
        MemoryLog(),
        OomLog(),
        SampleAnswers(folder, [Question("q", "r", [1, 2])], _answer),
        BreakAfter(break_after),
        Checkpoint(folder=folder / "checkpoints", every_steps=2, eval_every_steps=4, keep=2),
    ]
    try:
        rows, _, _ = watch(
            folder,
            watchers,
            loggers=[file, run],
            steps=STEPS,
            eval_every_steps=4,
            checkpoint=found.folder if found else None,
            start_step=found.step if found else 0,
        )
    finally:
        run.finish()
    return rows, run


def _repeatable(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key not in MEASURED} for row in rows]


@pytest.mark.slow
def test_a_broken_and_resumed_run_leaves_the_record_of_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    expected, _ = _train(whole)
    with pytest.raises(OSError, match="power cut"):
        _train(broken, break_after=7)
    found, run = _train(broken, attempt=2)

    assert _repeatable(found) == _repeatable(expected)
    assert [(row[metric.STEP], row[metric.ATTEMPT]) for row in found] == [(n, 1 if n <= 6 else 2) for n in range(9)]
    assert read_samples(broken / SAMPLES_FILE) == read_samples(whole / SAMPLES_FILE)
    assert run.local_folder is not None
    assert read_offline_run(run.local_folder).numbers() == found
