"""A bar on a terminal, plain lines elsewhere, and a screen that is left in order."""

import io
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from ftlab.callbacks.progress import ProgressBar
from ftlab.data.row import MicroBatch
from tests.callbacks.watched import watch


def _console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_hold_loss_held_out_loss_pace_and_time_left(tmp_path: Path) -> None:
    console = _console(terminal=False)
    watch(tmp_path, [ProgressBar(line_every_s=0.0, console=console)])
    text = _text(console)
    assert "\r" not in text
    assert "\x1b" not in text
    lines = text.splitlines()
    assert re.fullmatch(r"step 0/6  held-out \d\.\d{3}", lines[0])
    assert re.fullmatch(
        r"step 3/6  loss \d\.\d{3}  held-out \d\.\d{3}  [\d,]+ tok/s  0:00:\d\d left",
        next(line for line in lines if line.startswith("step 3/6")),
    )
    assert lines[-1].startswith("step 6/6  loss")
    assert "left" not in lines[-1]


def test_plain_lines_are_few_where_steps_are_many(tmp_path: Path) -> None:
    console = _console(terminal=False)
    watch(tmp_path, [ProgressBar(line_every_s=3600, console=console)], steps=12, eval_every_steps=12)
    steps = [line.split()[1] for line in _text(console).splitlines()]
    assert steps == ["0/12", "1/12", "12/12"]


def test_the_bar_counts_steps_and_names_the_evaluation(tmp_path: Path) -> None:
    console = _console(terminal=True)
    watch(tmp_path, [ProgressBar(every_s=0.0, console=console)])
    text = _text(console)
    assert "6/6" in text
    assert "held-out" in text
    assert "Evaluating" in text
    assert text.count("\x1b[?25h") == 1  # the cursor is shown again


def test_the_bar_is_taken_down_when_the_run_fails(tmp_path: Path) -> None:
    def fail(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
        raise ValueError("broken")

    console = _console(terminal=True)
    with pytest.raises(ValueError, match="broken"):
        watch(tmp_path, [ProgressBar(console=console)], nll=fail)
    assert _text(console).count("\x1b[?25h") == 1
    console.print("after")
    assert _text(console).endswith("after\n")
