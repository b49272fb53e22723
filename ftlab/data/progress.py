"""A bar on the terminal while rows are read and encoded; nothing where the output goes to a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

SHOWN_FROM = 20_000
"""Rows that are done without a bar: it would be gone before it could be read."""


@contextmanager
def progress(
    what: str, total: int | None = None, *, console: Console | None = None, shown_from: int = SHOWN_FROM
) -> Iterator[Callable[[int], None]]:
    """Shows how far something is, and takes the bar away at the end.

    Args:
        what: What is done, such as "Encoding rows".
        total: How many rows there are; None where that isn't known.
        console: Where to; None takes standard error.
        shown_from: How many are done before the bar is shown; 0 shows it at once.

    Yields:
        A function that is told how many more are done.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    is_shown = console.is_terminal and not console.is_dumb_terminal
    bar = Progress(*columns, console=console, transient=True, disable=not is_shown)
    task = bar.add_task(what, total=total)
    if not shown_from:
        bar.start()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and bar.tasks[0].completed >= shown_from:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()
