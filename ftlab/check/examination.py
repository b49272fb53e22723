"""Looks at a whole data set: takes what the reader and the encoder found, and runs the analysers over the rows.

In: rows, faults, plain settings. Out: an `Examination` that holds all findings, weighed. What is done with the verdict
is the caller's: `task=check` reports it, a training run stops at errors.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, overload

from ftlab.check.cleaning import Cleaning
from ftlab.check.content import find_content
from ftlab.check.duplicates import find_duplicates
from ftlab.check.finding import Finding
from ftlab.check.order import find_order
from ftlab.check.verdict import Tally
from ftlab.data.faults import Faults
from ftlab.data.render import TrainOn
from ftlab.data.row import Row
from ftlab.problem import InputError, Problem

UNTRAINABLE = frozenset({"FT114", "FT115"})
"""Findings about the order of turns that keep a row from being encoded."""


@dataclass(slots=True)
class Examination:
    """All findings of a data set.

    Attributes:
        tally: By code, weighed.
        cleaning: What becomes of each row in the cleaned set.
        unread: Lines that are no rows and came into no split.
    """

    tally: Tally
    cleaning: Cleaning = field(default_factory=Cleaning)
    unread: int = 0

    def take(self, findings: Iterable[Finding], *, unusable: bool = False) -> None:
        """Takes findings.

        Args:
            findings: What was found.
            unusable: Whether their rows can't be trained on.
        """
        for finding in findings:
            self.tally.add(finding, unusable=unusable)
            self.cleaning.add(finding, self.tally.rules.gravity(finding.code), unusable=unusable)

    def take_faults(self, faults: Faults, *, unread: bool = False) -> None:
        """Takes what reader or encoder found.

        Args:
            faults: What was found.
            unread: Whether the rows came into no split.

        Raises:
            InputError: Something is wrong that is no matter of rows, such as a file that isn't there.
        """
        if any(not problem.code for problem, _ in faults.rows):
            raise InputError(faults.problems())
        before = self.left_out().total()
        self.take(map(_finding, faults.rows), unusable=True)
        if unread:
            self.unread += self.left_out().total() - before
        self.take(map(_finding, faults.notes))

    def look(
        self,
        splits: Mapping[str, Sequence[Row]],
        *,
        train_on: TrainOn,
        near: bool,
        near_threshold: float,
        schema: Mapping[str, Any] | None,
        content_rows: int | None = None,
    ) -> None:
        """Runs the analysers of rows.

        Args:
            splits: The rows that could be read, by split.
            train_on: Which turns are trained on.
            near: Whether near duplicates are looked for.
            near_threshold: How alike those are.
            schema: What JSON answers must fit.
            content_rows: The most rows whose content is looked at, evenly spread; None looks at all.
        """
        for finding in find_order(chain(*splits.values()), train_on=train_on):
            self.take([finding], unusable=finding.code in UNTRAINABLE)
        usable = {name: self.usable(rows) for name, rows in splits.items()}
        total = sum(map(len, usable.values()))
        step = 1 if content_rows is None else max(1, -(-total // content_rows))
        looked_at = (Chosen(rows, range(0, len(rows), step)) if step > 1 else rows for rows in usable.values())
        self.take(find_content(chain(*looked_at), schema=schema))
        self.take(find_duplicates(usable, near=near, threshold=near_threshold))

    def left_out(self) -> "Counter[str]":
        """Returns how many rows can't be trained on, by the code that says why."""
        return Counter(finding.code for finding in self.tally.unusable.values()) + self.cleaning.lost

    def usable(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Returns the rows without those that can't be trained on."""
        if not self.tally.unusable:
            return rows
        places = [place for place, row in enumerate(rows) if row.id not in self.tally.unusable]
        return rows if len(places) == len(rows) else Chosen(rows, places)


class Chosen(Sequence[Row]):
    """Some rows of a sequence, read when they are asked for.

    Args:
        rows: The sequence.
        places: The places in it, ascending.
    """

    def __init__(self, rows: Sequence[Row], places: Sequence[int]) -> None:
        self._rows = rows
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self._rows[place] for place in self._places[index]]
        return self._rows[self._places[index]]


def of_ids(rows: Iterable[Row], ids: Iterable[int]) -> Iterator[Row]:
    """Yields the rows of ascending numbers, one for each number, from rows of ascending numbers."""
    found = iter(rows)
    row = next(found, None)
    for row_id in ids:
        while row is not None and row.id < row_id:
            row = next(found, None)
        assert row is not None, f"row {row_id} was encoded, so it must be there"
        yield row


def _finding(fault: tuple[Problem, int | None]) -> Finding:
    problem, row_id = fault
    return Finding(problem.code, problem.where, problem.what, problem.fix, row_id)
