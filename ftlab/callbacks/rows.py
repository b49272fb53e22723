"""Writes down which rows each step was trained on: what a spike of the loss or a step without memory was made of."""

import csv
import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab.callbacks.result import StepResult

FILE = "rows.csv"
COLUMNS = ("step", "row_ids")


class RowLog(Callback):
    """Appends a line a step to `rows.csv`: the step, and the ids of its rows in the order of training.

    An id is a row's number over all files of the data set, counted from 0, as in findings and logs. With several
    processes the file holds the rows of the first.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self._file = Path(folder) / FILE

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the file; on resume drops the steps after the checkpoint, which are about to run again."""
        if trainer.is_global_zero:
            kept = read_rows(self._file) if self._file.exists() else {}
            temporary = self._file.with_name(f".{FILE}.{os.getpid()}")
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerow(COLUMNS)
                for step, ids in kept.items():
                    if step <= trainer.global_step:
                        csv.writer(stream).writerow(_line(step, ids))
            temporary.replace(self._file)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes the step down."""
        if trainer.is_global_zero:
            done: StepResult = pl_module.last_step  # type: ignore[assignment]
            with self._file.open("a", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerow(_line(trainer.global_step, done.row_ids))


def read_rows(file: str | Path) -> dict[int, tuple[int, ...]]:
    """Reads which rows each step was trained on, also of a run that was killed.

    Args:
        file: `rows.csv`.

    Returns:
        Row ids by optimizer step.
    """
    text = Path(file).read_text(encoding="utf-8")
    lines = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return {int(line["step"]): tuple(map(int, line["row_ids"].split())) for line in lines}


def _line(step: int, ids: tuple[int, ...]) -> tuple[int, str]:
    return step, " ".join(map(str, ids))
