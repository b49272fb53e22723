"""The summary in the terminal is seen at once, and shows text as text."""

import io

import pytest
from rich.console import Console

from ftlab.report.summary import Comparison, Sample, print_summary

FACTS = dict.fromkeys(("trained", "speed", "peak memory", "time", "curve", "report"), "runs/x/y" * 5) | {
    "folder": "runs/2026-01-31/12-00-00-train-tiny-qlora (adapter, metrics.csv, run.json)"
}
COMMANDS = dict.fromkeys(
    ("a larger model, on a GPU", "your own rows", "let people judge", "forget less", "upload to W&B"),
    "python -m ftlab method=qlora model=llama3-8b data.path=mine.jsonl",
) | {"use it in Python": "ftlab " * 14}
"""As many as a run can propose, each as long as the longest."""

LINES = [
    line
    for number in range(5)
    for line in (
        Comparison(f"perplexity of answers {number}, 62 rows", "134.70", "1.30", "104.2 times lower"),
        Comparison("  95 % interval", "142.10–208.09", "18.80–28.22"),
    )
]


def _shown(samples: list[Sample], width: int = 100, times: int = 1) -> str:
    console = Console(width=width, file=io.StringIO())
    print_summary(
        console, title="tiny", comparisons=LINES * times, samples=samples, facts=FACTS, next_commands=COMMANDS
    )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "lines"), [(80, 60), (100, 52), (140, 48)])
def test_it_fits_a_screen_however_long_the_answers_are(width: int, lines: int) -> None:
    sample = Sample("How? " * 500, "So. " * 500, "No.\n" * 500, "So.")
    assert _shown([sample] * 3, width).count("\n") <= lines


def test_answers_are_shown_as_text_and_their_ends_are_left_out_visibly() -> None:
    shown = _shown([Sample("[bold]Why?[/bold]", "[red]x", "[/nothing]", "word " * 40)])
    assert "[bold]Why?[/bold]" in shown
    assert "[/nothing]" in shown
    assert "…" in shown


def test_lines_beyond_a_screen_are_counted_and_names_are_text() -> None:
    assert "and 14 more, in the report" in _shown([], times=3)
    assert "more, in the report" not in _shown([])
    console = Console(width=100, file=io.StringIO())
    print_summary(
        console, title="t", comparisons=[Comparison("[a] /[/b]", "", "1")], samples=[], facts={}, next_commands={}
    )
    assert isinstance(console.file, io.StringIO)
    assert "[a] /[/b]" in console.file.getvalue()
