"""The summary that ends a run in the terminal: is it better, what did it cost, where is it, what next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_CELL_CHARACTERS = 64
"""Of a longer question or answer only the beginning is shown, so that the whole summary is seen at once."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A held-out question with its reference and what the two models answered."""

    question: str
    reference: str
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number before and after training.

    Attributes:
        name: What was measured.
        base: The base model's value as shown; empty where it wasn't measured.
        tuned: The tuned model's value as shown.
        verdict: What the difference means, e.g. `6.2 times lower`.
    """

    name: str
    base: str
    tuned: str
    verdict: str = ""


def print_summary(
    console: Console,
    *,
    title: str,
    comparisons: Sequence[Comparison],
    samples: Sequence[Sample],
    facts: Mapping[str, str],
    next_commands: Mapping[str, str],
) -> None:
    """Prints the summary of a finished run.

    Args:
        console: Where to.
        title: Model, method and data in one line.
        comparisons: What changed from base to tuned.
        samples: Held-out questions with both answers.
        facts: What it cost and where things lie, by name.
        next_commands: What to type next, by what for.
    """
    parts: list[RenderableType] = [_comparison_table(comparisons)]
    if samples:
        parts.append(_sample_table(samples))
    parts.append(_fact_table(facts))
    parts.append(_command_table(next_commands))
    console.print(Panel(Group(*parts), title=Text(title, style="bold"), border_style="cyan", expand=True))


def _comparison_table(comparisons: Sequence[Comparison]) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, title_justify="left")
    table.add_column("Held-out rows", style="bold")
    table.add_column("base", justify="right")
    table.add_column("tuned", justify="right", style="bold")
    table.add_column("")
    for line in comparisons:
        table.add_row(line.name, line.base or "not measured", line.tuned, line.verdict)
    return table


def _sample_table(samples: Sequence[Sample]) -> Table:
    table = Table(show_lines=True, expand=True, title="\nHeld-out questions", title_justify="left", title_style="bold")
    table.add_column("question", ratio=3, overflow="fold")
    table.add_column("base", ratio=3, style="dim", overflow="fold")
    table.add_column("tuned", ratio=3, style="green", overflow="fold")
    table.add_column("expected", ratio=3, overflow="fold")
    for sample in samples:
        texts = (sample.question, sample.base, sample.tuned, sample.reference)
        table.add_row(*(Text(_short(text)) for text in texts))
    return table


def _short(text: str) -> str:
    """The text as one paragraph, its end left out where it is long: the page has all of it."""
    words = " ".join(text.split())
    return words if len(words) <= _CELL_CHARACTERS else f"{words[: _CELL_CHARACTERS - 1]}…"


def _fact_table(facts: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, title="\nThis run", title_justify="left")
    table.title_style = "bold"
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _command_table(commands: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, title="\nWhat to type next", title_justify="left")
    table.title_style = "bold"
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for purpose, command in commands.items():
        table.add_row(purpose, Text(command, style="cyan"))
    return table
