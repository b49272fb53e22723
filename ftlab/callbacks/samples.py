"""Answers a few held-out questions at each evaluation, so that one can read how the model changes."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab.evaluation.generate import Answer
from ftlab.logger.step import StepLogger

FILE = "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out row to be answered.

    Attributes:
        text: The question as people read it.
        reference: The answer in the data.
        prompt: Token ids up to where the answer begins.
    """

    text: str
    reference: str
    prompt: Sequence[int]


class SampleAnswers(Callback):
    """Writes answers to `samples.jsonl` and to a W&B table.

    Args:
        folder: The run folder.
        questions: Held-out questions; the first `most` of them are asked, the same each time.
        answer: Answers prompts, given as token ids, with the model that is being trained, and leaves it as it was.
        most: How many questions.
    """

    def __init__(
        self,
        folder: str | Path,
        questions: Iterable[Question],
        answer: Callable[[Sequence[Sequence[int]]], Sequence[Answer]],
        most: int = 3,
    ) -> None:
        self._file = Path(folder) / FILE
        self._questions = list(islice(questions, most))
        self._answer = answer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """On resume, drops the answers after the checkpoint: they are about to be given again."""
        if trainer.is_global_zero and self._file.exists():
            kept = [row for row in read_samples(self._file) if row["step"] <= trainer.global_step]
            temporary = self._file.with_name(f".{FILE}.{os.getpid()}")
            temporary.write_text(_lines(kept), encoding="utf-8")
            temporary.replace(self._file)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Answers, and writes the answers down."""
        if trainer.sanity_checking or not trainer.is_global_zero or not self._questions:
            return
        step = trainer.global_step
        answers = self._answer([question.prompt for question in self._questions])
        rows = [
            {
                "step": step,
                "question": question.text,
                "reference": question.reference,
                "answer": answer.text,
                "stopped": answer.stopped,
            }
            for question, answer in zip(self._questions, answers, strict=True)
        ]
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(_lines(rows))
        for logger in trainer.loggers:
            if isinstance(logger, StepLogger):
                logger.log_samples(step, rows)


def read_samples(file: str | Path) -> list[dict[str, Any]]:
    """Reads the answers that a run wrote, also one that was killed.

    Args:
        file: `samples.jsonl`.

    Returns:
        One row an answer, with `step`, `question`, `reference`, `answer` and `stopped`.
    """
    text = Path(file).read_text(encoding="utf-8", errors="replace")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
