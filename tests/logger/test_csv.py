"""The metrics file: one row a step from whoever logs, whole after any kill, and exact after a resume."""

import csv
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ftlab import logger, metric
from ftlab.logger.csv import FILE, MetricsFile, read_metrics


def _log(file: MetricsFile, steps: range) -> None:
    for step in steps:
        file.log_metrics({metric.TRAIN_LOSS: torch.tensor(1 / (step + 1))}, step)
        file.log_metrics({metric.STEP_S: 0.5}, step)
        if step % 4 == 0:
            file.log_metrics({metric.VAL_LOSS: 2.0 / (step + 1)}, step)


def _without_attempt(path: Path) -> list[Mapping[str, float]]:
    return [{key: value for key, value in row.items() if key != metric.ATTEMPT} for row in read_metrics(path)]


def test_one_line_a_step_with_the_values_of_all_callbacks(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    _log(file, range(6))
    file.finalize("success")
    lines = (tmp_path / FILE).read_text().splitlines()
    assert lines[0] == ",".join(metric.ALL)
    assert len(lines) == 7
    row = read_metrics(tmp_path / FILE)[4]
    assert row == {
        "step": 4,
        "attempt": 1,
        "train/loss": torch.tensor(0.2).item(),
        "train/step_s": 0.5,
        "val/loss": 0.4,
    }
    assert isinstance(row["step"], int)


def test_a_row_is_on_disk_as_soon_as_the_next_step_logs(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    _log(file, range(3))
    assert [row["step"] for row in read_metrics(tmp_path / FILE)] == [0, 1]
    file.flush()
    assert len(read_metrics(tmp_path / FILE)) == 3


@pytest.mark.parametrize("every_steps", [1, 3, 100])
def test_every_step_is_recorded_however_rarely_values_are_read(tmp_path: Path, every_steps: int) -> None:
    file = MetricsFile(tmp_path, every_steps=every_steps)
    _log(file, range(10))
    file.flush()
    assert [row["train/loss"] for row in read_metrics(tmp_path / FILE)] == pytest.approx([1 / n for n in range(1, 11)])


def test_lightnings_save_between_training_and_evaluation_does_not_split_a_row(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    for step in range(3):
        file.log_metrics({metric.TRAIN_LOSS: 3.0}, step)
        file.save()
        file.log_metrics({metric.VAL_LOSS: 2.0}, step)
    file.finalize("success")
    assert len((tmp_path / FILE).read_text().splitlines()) == 4


def test_values_after_a_flush_join_their_step(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    file.log_metrics({metric.TRAIN_LOSS: 3.0}, 5)
    file.flush()  # a checkpoint
    file.log_metrics({metric.VAL_LOSS: 2.0}, 5)
    file.flush()
    (row,) = read_metrics(tmp_path / FILE)
    assert (row["train/loss"], row["val/loss"]) == (3.0, 2.0)


def test_a_new_key_gets_a_column_and_keeps_all_rows(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    _log(file, range(3))
    file.log_metrics({"probe, with a comma": 7.0}, 3)
    _log(file, range(4, 6))
    file.flush()
    rows = read_metrics(tmp_path / FILE)
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert rows[3]["probe, with a comma"] == 7.0
    with (tmp_path / FILE).open() as stream:
        assert {len(line) for line in csv.reader(stream)} == {len(metric.ALL) + 1}


def test_values_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    file.log_metrics({"a": math.nan, "b": torch.tensor(math.inf)}, 0)
    file.flush()
    (row,) = read_metrics(tmp_path / FILE)
    assert math.isnan(row["a"])
    assert row["b"] == math.inf


def test_float32_values_are_recorded_exactly(tmp_path: Path) -> None:
    loss = torch.rand(())
    file = MetricsFile(tmp_path)
    file.log_metrics({metric.TRAIN_LOSS: loss}, 1)
    file.flush()
    assert read_metrics(tmp_path / FILE)[0]["train/loss"] == loss.item()


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    _log(file, range(4))
    file.flush()
    text = (tmp_path / FILE).read_bytes()
    for cut in range(len(text)):
        (tmp_path / FILE).write_bytes(text[:cut])
        rows = read_metrics(tmp_path / FILE)
        assert [row["step"] for row in rows] == list(range(max(0, text[:cut].count(b"\n") - 1)))


@pytest.mark.parametrize("half_line", ["", "9,1,0.1", '9,1,"'])
def test_resume_drops_later_rows_and_equals_an_unbroken_run(tmp_path: Path, half_line: str) -> None:
    unbroken = MetricsFile(tmp_path)
    _log(unbroken, range(12))
    unbroken.flush()
    (tmp_path / "broken").mkdir()
    path = tmp_path / "broken" / FILE
    first = MetricsFile(path.parent)
    _log(first, range(9))
    first.flush()
    with path.open("a") as stream:
        stream.write(half_line)

    second = MetricsFile(path.parent)
    second.resume_at(5, attempt=2)
    assert [row["step"] for row in read_metrics(path)] == [0, 1, 2, 3, 4, 5]
    _log(second, range(6, 12))
    second.flush()
    assert _without_attempt(path) == _without_attempt(tmp_path / FILE)
    assert [row["attempt"] for row in read_metrics(path)] == [1] * 6 + [2] * 6
    assert [child.name for child in path.parent.iterdir()] == [FILE]


@pytest.mark.parametrize("left", [None, "", "step,att"])
def test_resume_starts_afresh_where_the_first_attempt_left_no_row(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / FILE).write_text(left)
    file = MetricsFile(tmp_path)
    file.resume_at(0, attempt=2)
    _log(file, range(2))
    file.flush()
    assert [row["attempt"] for row in read_metrics(tmp_path / FILE)] == [2, 2]


def test_a_new_run_never_overwrites_a_record(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("step\n1\n")
    file = MetricsFile(tmp_path)
    file.log_metrics({metric.TRAIN_LOSS: 1.0}, 0)
    with pytest.raises(FileExistsError):
        file.flush()


def test_every_steps_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`every_steps` must be at least 1, but is 0"):
        MetricsFile(tmp_path, every_steps=0)


def test_a_row_without_its_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`step` must be given"):
        MetricsFile(tmp_path).log_metrics({"a": 1.0})


def test_log_and_flush_reach_every_logger(tmp_path: Path) -> None:
    files = [MetricsFile(tmp_path / "a"), MetricsFile(tmp_path / "b")]
    for file in files:
        file.path.parent.mkdir()
    trainer = SimpleNamespace(is_global_zero=True, loggers=files)
    logger.log(trainer, {metric.VAL_LOSS: 1.5}, 3)
    logger.flush(trainer)
    assert read_metrics(tmp_path / "a" / FILE) == read_metrics(tmp_path / "b" / FILE) != []


WRITER = """
import sys
from ftlab.logger.csv import MetricsFile
file = MetricsFile(sys.argv[1])
step = 0
while True:
    file.log_metrics({"train/loss": step / 7, **({f"new{step}": 1.0} if step % 50 == 3 else {})}, step)
    step += 1
"""


@pytest.mark.slow
def test_a_reader_at_any_moment_and_after_a_kill_finds_a_whole_prefix(tmp_path: Path) -> None:
    path = tmp_path / FILE
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=Path(__file__).parents[2])
    while not path.exists():
        time.sleep(0.01)
    reads, rows = 0, []
    while reads < 100 or len(rows) < 30:  # a slow writer is waited for
        reads, rows = reads + 1, read_metrics(path)
        assert [(row["step"], row["train/loss"]) for row in rows] == [(n, n / 7) for n in range(len(rows))]
    writer.kill()
    writer.wait()
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == list(range(len(rows)))
    file = MetricsFile(tmp_path)
    file.resume_at(20, attempt=2)
    _log(file, range(21, 24))
    file.flush()
    assert [row["step"] for row in read_metrics(path)] == list(range(24))
