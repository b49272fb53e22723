"""Collects the faults of a data set: the first ones in full, the same fault once with its count, the rest counted.

A file of 100,000 rows with a wrong field name must not print 100,000 lines, nor hide how many rows it hits.
"""

from dataclasses import dataclass, field, replace

from ftlab.problem import Problem, raise_all

SHOWN = 20
"""Faults of one file that are written out."""

_LONGEST = 600
"""Characters of a message: it may quote the file, and a file may hold anything."""


@dataclass(slots=True)
class Faults:
    """A list of problems with a cap; each one is a row's."""

    _first: dict[object, Problem] = field(default_factory=dict)
    _counts: dict[object, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def add(self, problem: Problem, same_as: object = None) -> None:
        """Notes a problem; problems with an equal `same_as` are one fault, written once with its count."""
        key = (problem.where, problem.what) if same_as is None else same_as
        self._first.setdefault(key, Problem(*map(_printable, (problem.where, problem.what, problem.fix))))
        self._counts[key] = self._counts.get(key, 0) + 1

    def problems(self) -> list[Problem]:
        """The faults in the order in which they came, at most `SHOWN`, then one line for all others."""
        shown = [_counted(problem, self._counts[key]) for key, problem in list(self._first.items())[:SHOWN]]
        hidden = list(self._first.items())[SHOWN:]
        if hidden:
            count = sum(self._counts[key] for key, _ in hidden)
            shown.append(Problem(hidden[0][1].where, f"this row and {count - 1} more have faults, too."))
        return shown

    def raise_all(self) -> None:
        """Raises one `InputError` with all faults; does nothing if there are none.

        Raises:
            InputError: There is at least one fault.
        """
        raise_all(self.problems())


def _counted(problem: Problem, count: int) -> Problem:
    if count == 1:
        return problem
    others = f"{count - 1} more row{'s' if count > 2 else ''}"
    return replace(problem, what=f"{problem.what} (The same in {others}.)")


def _printable(text: str) -> str:
    """The text with control characters and half characters escaped, cut where it is too long."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
