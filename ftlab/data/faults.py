"""Collects the faults of a data set: messages for the first ones, a lean record of code and place for all of them.

A file of 100,000 rows with a wrong field name must not print 100,000 lines, nor hide how many rows it hits, nor hold
100,000 messages.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ftlab.problem import Problem, raise_all

SHOWN = 20
"""Faults of one file that are written out."""

_LONGEST = 600
"""Characters of a message: it may quote the file, and a file may hold anything."""

_TEXTS = 10_000
"""Different messages that are kept; what comes later is kept with its code and place alone."""

_NOWHERE = -1


@dataclass(slots=True)
class Ledger:
    """Problems by place, 32 bytes each: equal messages are kept once."""

    _texts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _files: dict[str, int] = field(default_factory=dict)
    _entries: "array[int]" = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self._entries) // 4

    def add(self, problem: Problem, row_id: int | None) -> None:
        """Notes a problem at its `file:line`, and the number of the row it hits."""
        text = (problem.what, problem.fix, problem.code)
        if len(self._texts) >= _TEXTS and text not in self._texts:
            text = ("has a fault of this kind, too.", "", problem.code)
        file, _, line = problem.where.rpartition(":")
        if not (line.isascii() and line.isdigit()):
            file, line = problem.where, str(_NOWHERE)
        numbers = (self._texts.setdefault(text, len(self._texts)), self._files.setdefault(file, len(self._files)))
        self._entries.extend((*numbers, int(line), _NOWHERE if row_id is None else row_id))

    def __iter__(self) -> Iterator[tuple[Problem, int | None]]:
        texts, files = list(self._texts), list(self._files)
        for begin in range(0, len(self._entries), 4):
            text, file, line, row_id = self._entries[begin : begin + 4]
            what, fix, code = texts[text]
            where = files[file] if line == _NOWHERE else f"{files[file]}:{line}"
            yield Problem(where, what, fix, code), None if row_id == _NOWHERE else row_id


@dataclass(slots=True)
class Faults:
    """What is wrong with rows, and what is only worth knowing of them.

    Attributes:
        rows: Every fault with its place; a row that has one can't be used.
        notes: What was decided or is odd; such a row is used.
    """

    rows: Ledger = field(default_factory=Ledger)
    notes: Ledger = field(default_factory=Ledger)
    _first: dict[object, Problem] = field(default_factory=dict)
    _counts: dict[object, int] = field(default_factory=dict)
    _hidden: Problem | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, problem: Problem, same_as: object = None, row_id: int | None = None) -> None:
        """Notes a fault.

        Args:
            problem: What is wrong, at `file:line`.
            same_as: Faults with an equal one are one message, written once with its count.
            row_id: The number of the row, where it has one.
        """
        problem = _printed(problem)
        self.rows.add(problem, row_id)
        key = (problem.where, problem.what) if same_as is None else same_as
        if key in self._first or len(self._first) < SHOWN:
            self._first.setdefault(key, problem)
            self._counts[key] = self._counts.get(key, 0) + 1
        else:
            self._hidden = self._hidden or problem

    def note(self, problem: Problem, row_id: int | None = None) -> None:
        """Notes something that keeps no row from being used."""
        self.notes.add(_printed(problem), row_id)

    def problems(self) -> list[Problem]:
        """The faults in the order in which they came, at most `SHOWN`, then one line for all others."""
        shown = [_counted(problem, self._counts[key]) for key, problem in self._first.items()]
        if self._hidden:
            more = len(self) - sum(self._counts.values()) - 1
            shown.append(Problem(self._hidden.where, f"this row and {more} more have faults, too."))
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


def _printed(problem: Problem) -> Problem:
    where, what, fix = map(_printable, (problem.where, problem.what, problem.fix))
    return Problem(where, what, fix, problem.code)


def _printable(text: str) -> str:
    """The text with control characters and half characters escaped, cut where it is too long."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
