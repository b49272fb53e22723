"""Logs from anywhere become curves; what is wrong with them is told with its line."""

import json
import math
from pathlib import Path

import pytest

from ftlab.evaluation.curve.read import Reading, read_curve
from ftlab.problem import InputError


def read(folder: Path, text: str, name: str = "log.csv") -> Reading:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return read_curve(file)


def faults(folder: Path, text: str, name: str = "log.csv") -> list[str]:
    with pytest.raises(InputError) as raised:
        read(folder, text, name)
    return [str(problem).replace(f"{folder}/", "") for problem in raised.value.problems]


def test_columns_are_known_by_the_usual_names_and_said(tmp_path: Path) -> None:
    found = read(tmp_path, "Global Step;Training Loss;eval/loss;LR;Grad-Norm\n10;2.5;;1e-3;0.5\n20;2.0;2.1;5e-4;0.25\n")
    curve = found.curve
    assert (list(curve.steps), list(curve.losses)) == ([10, 20], [2.5, 2.0])
    assert list(curve.held_out) == [(20, 2.1)]
    assert (list(curve.learning_rates), list(curve.grad_norms)) == ([1e-3, 5e-4], [0.5, 0.25])
    assert "loss = Training Loss, val_loss = eval/loss, lr = LR, grad_norm = Grad-Norm" in found.guesses[0]


def test_dashboard_export_takes_the_value_and_not_its_bounds(tmp_path: Path) -> None:
    found = read(
        tmp_path, '"Step","my-run - train/loss","my-run - train/loss__MIN"\n"1","2.5","1.0"\n"2","2.0","0.5"\n'
    )
    assert list(found.curve.losses) == [2.5, 2.0]


def test_metrics_file_gives_tokens_of_each_step(tmp_path: Path) -> None:
    head = "step,train/loss,train/supervised_tokens_per_s,train/step_s,train/skipped_steps,val/loss\n"
    curve = read(tmp_path, head + "0,,,,,3.0\n1,2.5,400,0.5,0,\n2,nan,,,1,2.75\n").curve
    assert curve.tokens[0] == 200
    assert math.isnan(curve.losses[1])
    assert (list(curve.held_out), curve.skipped) == ([(0, 3.0), (2, 2.75)], 1)


def test_trainer_state_takes_the_loss_of_steps_and_not_the_mean_of_the_run(tmp_path: Path) -> None:
    history = [
        {"step": 5, "loss": 2.0, "learning_rate": 1e-4, "grad_norm": 1.5, "epoch": 0.5},
        {"step": 5, "eval_loss": 1.9},
        {"step": 10, "loss": 1.5, "learning_rate": 5e-5, "grad_norm": 1.0, "epoch": 1.0},
        {"step": 10, "train_loss": 1.75, "train_runtime": 12.0},
    ]
    found = read(tmp_path, json.dumps({"global_step": 10, "log_history": history}, indent=2), "trainer_state.json")
    assert list(found.curve.losses) == [2.0, 1.5]
    assert list(found.curve.held_out) == [(5, 1.9)]
    assert "not taken: train_loss" in " ".join(found.guesses)


def test_jsonl_leaves_lines_without_numbers_out_and_counts_them(tmp_path: Path) -> None:
    text = '{"event":"start"}\n{"step":1,"loss":2}\n\n{"step":2,"loss":null}\n{"step":3,"lo'
    found = read(tmp_path, text, "log.jsonl")
    assert list(found.curve.steps) == [1, 2]
    assert math.isnan(found.curve.losses[1])
    assert any(note.startswith("Line 5 is cut off") for note in found.notes)
    assert any(guess.endswith("none of these numbers: 1.") for guess in found.guesses)


def test_step_that_stands_twice_after_a_resume_counts_as_its_later_line(tmp_path: Path) -> None:
    found = read(tmp_path, "step,loss\n1,3.0\n2,2.5\n3,2.0\n2,2.4\n3,1.9\n4,1.8\n")
    assert list(found.curve.steps) == [1, 2, 3, 4]
    assert list(found.curve.losses) == [3.0, 2.4, 1.9, 1.8]
    assert "Steps that stand more than once, as after a resume: 2 (the first is 2)." in " ".join(found.notes)


def test_steps_out_of_order_are_sorted_and_that_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, "step,loss\n3,1.0\n1,3.0\n2,2.0\n")
    assert list(found.curve.losses) == [3.0, 2.0, 1.0]
    assert "The steps are not in order: they were sorted." in found.notes


def test_lines_are_counted_where_there_is_no_column_of_steps(tmp_path: Path) -> None:
    found = read(tmp_path, "loss\n3.0\n2.0\n")
    assert list(found.curve.steps) == [1, 2]
    assert "No column of steps: lines are counted, from 1." in found.guesses


def test_all_faults_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = "step,loss\n1,abc\nx,2.0\n1.5,2.0\n-1,2\n4,2,7\n"
    assert faults(tmp_path, "step,loss\n1,2\n4,2,7\n") == [
        "log.csv:3: must have 2 cells, as the first line names them, but has 3."
    ]
    assert faults(tmp_path, text.replace(",7", "")) == [
        "log.csv:2: `loss` must be a number, but is 'abc'.",
        "log.csv:3: `step` must be a number, but is 'x'.",
        "log.csv:4: `step` must be a whole number, but is 1.5.",
        "log.csv:5: `step` must be a whole number, but is -1.",
    ]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    found = faults(tmp_path, "step,loss\n" + "".join(f"{step},oops\n" for step in range(1, 101)))
    assert len(found) == 9
    assert found[-1] == "log.csv: 92 more lines have such faults."


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "log.csv", "log.csv: must be a CSV or JSONL of step and loss, a run's metrics.csv, or a trainer_state"),
        ("\n \n", "log.csv", "but is empty."),
        ("step,loss\n", "log.csv", "must hold a line for each step, but has none below its names."),
        ("1,2.5\n2,2.0\n", "log.csv", "log.csv:1: must begin with a line of column names such as step,loss"),
        ("step,accuracy\n1,0.5\n", "log.csv", "must have a column of losses (loss, train_loss, train/loss, …), but"),
        ("step,loss\n1,\n,2\n", "log.csv", "must hold steps with a loss, but no line has both."),
        ('{"step":1,"loss":2}\n[1]\n{"step":3,"loss":1}\n', "log.jsonl", "log.jsonl:2: must be a JSON object"),
        ('{"log_history": [\n {"step": 1, "loss": 2},\n', "trainer_state.json", "must be JSON, but"),
        ('{"log_history": []}', "trainer_state.json", "must hold a list of records with step and loss"),
        ("[1, 2]", "log.json", "must hold a list of records with step and loss"),
    ],
)  # fmt: skip
def test_file_without_a_curve_is_refused_by_name(tmp_path: Path, text: str, name: str, message: str) -> None:
    assert message in faults(tmp_path, text, name)[0]


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"step,loss\n1,\xff\n")
    with pytest.raises(InputError, match=r"log\.csv: must be text in UTF-8, but byte 12 is none"):
        read_curve(tmp_path / "log.csv")
    with pytest.raises(InputError, match=r"gone\.csv: .* No such file"):
        read_curve(tmp_path / "gone.csv")
