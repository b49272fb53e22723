"""Draws a test and its result in the terminal: what to do next; who won, and how far to believe it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ftlab.evaluation.blind.binomial import SIGNIFICANCE
from ftlab.evaluation.blind.outcome import Outcome
from ftlab.evaluation.blind.result import PairResult, Result
from ftlab.evaluation.blind.seal import FILE as KEY
from ftlab.evaluation.blind.trial import RATINGS, Trial
from ftlab.evaluation.blind.wording import (
    QUESTIONS,
    between,
    counts,
    headline,
    p_value,
    percent,
    points,
    remarks,
    sensitivity,
)


def print_result(console: Console, result: Result, *, title: str, written: Mapping[str, str]) -> None:
    """Prints a result.

    Args:
        console: Where to.
        result: What the test says.
        title: What was compared, in one line.
        written: Where things lie, by name.
    """
    found = any(pair.p_adjusted <= SIGNIFICANCE for pair in result.pairs)
    parts: list[RenderableType] = [Text(headline(result), style="bold green" if found else "bold yellow")]
    for pair in result.pairs:
        parts += [Text(f"\n{counts(pair)}"), *_pair(pair, len(result.pairs))]
    parts.append(Text("\nHow far to believe it", style="bold"))
    parts += [Text(f"· {sentence}") for sentence in remarks(result)]
    parts += [Text("\nWritten", style="bold"), _lines(written)]
    console.print(Panel(Group(*parts), title=Text(title, style="bold"), border_style="cyan", expand=True))


def print_test(console: Console, trial: Trial, pages: Mapping[str, Path], commands: Mapping[str, str]) -> None:
    """Prints what a sealed test is made of and what to do next; nothing of it tells whose an answer is.

    Args:
        console: Where to.
        trial: The test.
        pages: Each rater's file; none where all answers are the same.
        commands: What to type next, by what for.
    """
    facts = {"questions": str(len(trial.questions)), "arms": " · ".join(trial.key.arms)}
    facts["items to rate"] = f"{len(trial.asked)} a rater"
    if trial.same:
        facts["same answers"] = f"{len(trial.same)}: ties that nobody is asked about"
    taken = sum(trial.stripped().values(), Counter[str]())
    facts["taken out of answers"] = (
        ", ".join(f"{kind} ({count}×)" for kind, count in sorted(taken.items())) or "nothing"
    )
    each = " (of each pair of arms)" if len(trial.key.arms) > 2 else ""
    facts["can find"] = f"{sensitivity(trial.asked_a_pair)}{each}"
    facts["sealed"] = (
        f"{trial.folder / KEY}, which says whose each answer is: keep it from raters (test {trial.key.test})"
    )
    parts: list[RenderableType] = [_lines(facts)]
    if pages:
        parts += [Text("\nTo send to raters", style="bold"), _lines({name: str(path) for name, path in pages.items()})]
        parts.append(Text(f"Put the files that they send back into {trial.folder / RATINGS}/."))
    else:
        parts.append(Text("\nThere is nothing to rate: the arms answer every question alike.", style="bold yellow"))
    parts += [Text("\nWhat to type next", style="bold"), _lines(commands)]
    console.print(Panel(Group(*parts), title=Text("Blind side-by-side test", style="bold"), border_style="cyan"))


def print_links(console: Console, links: Mapping[str, str]) -> None:
    """Prints where raters rate.

    Args:
        console: Where to.
        links: By rater.
    """
    console.print(Text("Each rater's own link (this computer only; Ctrl+C ends, votes are kept):", style="bold"))
    for rater, link in links.items():
        console.print(Text(f"  {rater}  {link}"), soft_wrap=True)


def _pair(pair: PairResult, pairs: int) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("", style="bold")
    for name in ("won", "tied", "lost"):
        table.add_column(name, justify="right")
    for name in (f"{pair.arm} of decided", "95 % interval", "sign test"):
        table.add_column(Text(name), justify="right")
    for name in (pair.arm, pair.other):
        table.add_column(Text(name), justify="right")
    adjusted = f" (for {pairs} pairs {p_value(pair.p_adjusted)})" if pairs > 1 else ""
    table.add_row("better answer", *_cells(pair.outcome, adjusted), "", "")
    for criterion, marked in pair.criteria.items():
        shares = (percent(marked.share(arm)) for arm in (pair.arm, pair.other))
        table.add_row(QUESTIONS[criterion], *_cells(marked.outcome), *shares)
    for rater, outcome in pair.raters.items():
        table.add_row(Text(f"{rater} alone", style="dim"), *_cells(outcome), "", "")
    return [table, Text(f"Points (win 1, tie ½): {points(pair)}.", style="dim")]


def _cells(outcome: Outcome, behind: str = "") -> tuple[str, ...]:
    numbers = (str(outcome.wins), str(outcome.ties), str(outcome.losses))
    if not outcome.decided:
        return (*numbers, "–", "", "")
    return (*numbers, percent(outcome.rate), between(outcome), f"{p_value(outcome.p)}{behind}")


def _lines(entries: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in entries.items():
        table.add_row(Text(name), Text(value))
    return table
