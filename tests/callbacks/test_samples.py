"""The same questions at each evaluation, in the file and in W&B."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ftlab.callbacks.samples import FILE, Question, SampleAnswers, read_samples
from ftlab.evaluation.generate import Answer
from ftlab.logger.csv import MetricsFile
from ftlab.logger.step import SAMPLES
from ftlab.logger.wandb import WandbRun
from tests.callbacks.watched import watch
from tests.reference.read_wandb import read_offline_run

QUESTIONS = [Question(f"question {n}", f"reference {n} ü", [n, n + 1]) for n in range(5)]


def _answer(prompts: Sequence[Sequence[int]]) -> list[Answer]:
    return [Answer(f"answer to {list(prompt)}", stopped=True, tokens=3) for prompt in prompts]


def test_fixed_questions_are_answered_at_each_evaluation(tmp_path: Path) -> None:
    run = WandbRun(tmp_path)
    watch(tmp_path, [SampleAnswers(tmp_path, QUESTIONS, _answer, most=2)], loggers=[MetricsFile(tmp_path), run])
    run.finish()
    rows = read_samples(tmp_path / FILE)
    assert [(row["step"], row["question"]) for row in rows] == [
        (step, f"question {n}") for step in (0, 2, 4, 6) for n in range(2)
    ]
    assert rows[1] == {
        "step": 0,
        "question": "question 1",
        "reference": "reference 1 ü",
        "answer": "answer to [1, 2]",
        "stopped": True,
    }
    assert run.local_folder is not None
    tables = [row for row in read_offline_run(run.local_folder).history if f"{SAMPLES}.path" in row]
    assert [row["step"] for row in tables] == [0, 2, 4, 6]
    table = json.loads((run.local_folder / "files" / tables[0][f"{SAMPLES}.path"]).read_text())
    assert table["columns"] == ["step", "question", "reference", "answer", "stopped"]
    assert len(table["data"]) == 2


@pytest.mark.parametrize("cut", ["", '{"step": 4, "quest'])
def test_resume_drops_answers_after_the_checkpoint(tmp_path: Path, cut: str) -> None:
    watch(tmp_path, [SampleAnswers(tmp_path, QUESTIONS, _answer, most=1)])
    with (tmp_path / FILE).open("a") as stream:
        stream.write(cut)
    trainer = SimpleNamespace(is_global_zero=True, global_step=2)
    SampleAnswers(tmp_path, QUESTIONS, _answer).on_train_start(trainer, None)
    assert [row["step"] for row in read_samples(tmp_path / FILE)] == [0, 2]
    assert not list(tmp_path.glob(".*.jsonl*"))


def test_nothing_is_asked_without_questions(tmp_path: Path) -> None:
    watch(tmp_path, [SampleAnswers(tmp_path, [], lambda prompts: pytest.fail("asked"))])
    assert not (tmp_path / FILE).exists()
