"""What is wrong with the input, where, and what to type instead.

A check never raises at the first fault: it collects `Problem`s, and one `InputError` at the end carries them
all, so that a user mends everything in one go. The command line turns an `InputError` into a message and exit
code 2; any other exception is a fault of the run (exit code 1), shown with its traceback unless it is a `RunEnded`.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the input.

    Attributes:
        where: The place as the user knows it: a config key (`data.path`) or `file:line`.
        what: What must hold, and what is there instead, as one sentence.
        fix: What to type or change, as one sentence; empty where `what` says it all.
        code: The documented number of this kind of fault (`ftlab.check.codes`), such as FT103; empty where the input
            is no data set.
    """

    where: str
    what: str
    fix: str = ""
    code: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{' ' if self.fix else ''}{self.fix}{f' [{self.code}]' if self.code else ''}"


class InputError(Exception):
    """The run can't start: every fault that was found, in the order of the pipeline.

    Args:
        problems: At least one problem.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        assert self.problems, "an InputError must carry at least one problem"
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Problem, ...]]]:
        """Lets the error pass between processes: its argument is the problems, not the text."""
        return type(self), (self.problems,)


class RunEnded(RuntimeError):
    """A run that began had to end for a reason that is understood: the message is for the user, no traceback helps."""


class Refused(Exception):
    """A task has said what it found, and ends with an exit code of its own.

    Args:
        exit_code: 1 or 2.
    """

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


def raise_all(problems: Iterable[Problem]) -> None:
    """Raises one `InputError` that carries all the problems; does nothing if there are none.

    Args:
        problems: What the checks found.

    Raises:
        InputError: There is at least one problem.
    """
    found = tuple(problems)
    if found:
        raise InputError(found)
