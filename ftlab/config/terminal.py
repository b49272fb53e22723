"""What the user reads on the terminal: log lines, and the list of problems when a run can't start."""

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

from ftlab.problem import Problem


class TerminalHandler(logging.StreamHandler[TextIO]):
    """Writes log lines to whatever stands for standard error when the line is written.

    A progress bar replaces `sys.stderr` while it is drawn; a handler that keeps the old stream would write through it.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error, as it is now."""
        return sys.stderr


def show(problems: Sequence[Problem]) -> None:
    """Prints what keeps a run from starting, each with its place and its fix, to standard error.

    Args:
        problems: At least one.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    console.print(Text(f"ftlab found {count} in its input:", style="bold red"))
    for problem in problems:
        code = f" [{problem.code}]" if problem.code else ""
        console.print(Text.assemble("  ", (problem.where, "bold"), ": ", problem.what, (code, "dim")))
        if problem.fix:
            console.print(Text.assemble("    ", (problem.fix, "green")))
