"""The summary that ends a run in the terminal: is it better, what did it cost, where is it, what next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_CELL_CHARACTERS, _NARROW_CELL_CHARACTERS = 64, 44
"""Of a longer question or answer only the beginning is shown, so that the whole summary is seen at once."""

_WIDE_COLUMNS = 100
"""Terminals from this width on show more of them."""

_COMPARISONS = 16
"""Lines that are shown: lm-eval's tasks alone may be hundreds."""


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
        is_wide = console.width >= _WIDE_COLUMNS
        parts.append(_sample_table(samples, _CELL_CHARACTERS if is_wide else _NARROW_CELL_CHARACTERS))
    parts.append(_fact_table(facts))
    parts.append(_command_table(next_commands))
    console.print(Panel(Group(*parts), title=Text(title, style="bold"), border_style="cyan", expand=True))


def _comparison_table(comparisons: Sequence[Comparison]) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, title_justify="left")
    table.add_column("Held-out rows", style="bold")
    table.add_column("base", justify="right")
    table.add_column("tuned", justify="right", style="bold")
    table.add_column("")
    for line in comparisons[:_COMPARISONS]:
        table.add_row(Text(line.name), line.base or "not measured", line.tuned, line.verdict)
    if (more := len(comparisons) - _COMPARISONS) > 0:
        table.add_row(f"and {more:,} more, in the report")
    return table


def _sample_table(samples: Sequence[Sample], characters: int) -> Table:
    table = Table(show_lines=True, expand=True, title="\nHeld-out questions", title_justify="left", title_style="bold")
    table.add_column("question", ratio=3, overflow="fold")
    table.add_column("base", ratio=3, style="dim", overflow="fold")
    table.add_column("tuned", ratio=3, style="green", overflow="fold")
    table.add_column("expected", ratio=3, overflow="fold")
    for sample in samples:
        texts = (sample.question, sample.base, sample.tuned, sample.reference)
        table.add_row(*(Text(_short(text, characters)) for text in texts))
    return table


def _short(text: str, characters: int) -> str:
    """The text as one paragraph, its end left out where it is long: the page has all of it."""
    words = " ".join(text.split())
    return words if len(words) <= characters else f"{words[: characters - 1]}…"


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
