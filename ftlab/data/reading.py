"""Reads sources into one Arrow file, one row after another.

In: sources, in order. Out: the file, and what is to be said of it. Faults are collected over all sources; reading goes
on behind them. Which rows are held out is `source`'s.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

from ftlab.data.faults import Faults
from ftlab.data.files import NO_ROWS, DataFile, find_files
from ftlab.data.hub import file_sha256, hub_version, read_hub
from ftlab.data.mix import Source, SourceRows
from ftlab.data.progress import progress
from ftlab.data.reader import AS_JSON, GUESSED, RowReader
from ftlab.data.records import read_records
from ftlab.data.row import Row
from ftlab.data.row_store import RowWriter
from ftlab.data.split import digest
from ftlab.problem import Problem

ROWS_FILE, READING_FILE = "rows.arrow", "reading.json"

_SAID = (AS_JSON, GUESSED)
"""The notes of files that are said in a run, too; all of them are the check's to show."""

_SHOWN_NOTES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A source with the files that it means.

    Attributes:
        source: The source.
        files: Its files; none for a data set of the hub.
    """

    source: Source
    files: tuple[DataFile, ...] = ()


@dataclass(slots=True)
class Reading:
    """What reading came to beside the file of rows.

    Attributes:
        sources: Which rows each source gave, in order.
        notes: What was decided for the user, one sentence each.
        remarks: The notes of the rows' faults: problem and row number.
    """

    sources: list[SourceRows] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[tuple[Problem, int | None]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes it beside the rows."""
        (folder / READING_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote."""
        content = json.loads((folder / READING_FILE).read_text(encoding="utf-8"))
        sources = [SourceRows(**entry) for entry in content["sources"]]
        remarks = [(Problem(**problem), row_id) for problem, row_id in content["remarks"]]
        return cls(sources, content["notes"], remarks)


def find_places(sources: Sequence[Source]) -> tuple[list[Place], list[Problem]]:
    """Finds the files that the sources mean, and what is wrong with them."""
    places, problems = [], []
    taken: dict[Path, str] = {}
    for source in sources:
        if source.hub_id:
            places.append(Place(source))
            continue
        found, wrong = find_files(source.key, source.path or "", source.file_format)
        problems += wrong
        files = []
        for file in found:
            if (other := taken.setdefault(file.path.resolve(), source.key)) != source.key:
                what = f"must not name a file that {other} names, too, but both name '{file.shown}'."
                problems.append(
                    Problem(source.key, what, "Rows that are trained on can't be held out, nor be mixed in.")
                )
            else:
                files.append(file)
        places.append(Place(source, tuple(files)))
    return places, problems


def content(places: Sequence[Place], refs: Path | None) -> list[Any] | None:
    """Lists everything that the rows depend on as plain data; None where a hub data set's version isn't known.

    Args:
        places: The sources with their files.
        refs: Where the versions of hub data sets are noted.
    """
    found: list[Any] = []
    for place in places:
        version = hub_version(place.source.hub_id, refs) if place.source.hub_id else None
        if place.source.hub_id and version is None:
            return None
        files = [(file.shown, file.format, file_sha256(file.path)) for file in place.files]
        found.append([asdict(place.source), version, files])
    return found


def read_places(places: Sequence[Place], folder: Path, *, split_seed: int, faults: Faults | None) -> list[Problem]:
    """Reads all rows into `folder`.

    Args:
        places: The sources with their files.
        folder: Takes the rows and the `Reading`.
        split_seed: Fixes the rows' digests.
        faults: Takes what is wrong; None has it returned, the first faults of each file written out.

    Returns:
        What is wrong, where no `faults` are given.
    """
    reader = _Reader(places, faults)
    with RowWriter(folder / ROWS_FILE) as writer, progress("Reading rows") as advance:
        for row in reader.rows():
            writer.write(row, digest(row, split_seed))
            advance(1)
    reader.reading.save(folder)
    return reader.problems


class _Numbers:
    """Numbers the records of all sources through, from 0."""

    def __init__(self) -> None:
        self.next = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        self.next += 1
        return self.next - 1


class _Reader:
    """Reads sources one after another, and collects what is to be said of them."""

    def __init__(self, places: Sequence[Place], faults: Faults | None) -> None:
        self.reading = Reading()
        self.problems: list[Problem] = []
        self._places = places
        self._faults = faults
        self._ids = _Numbers()
        self._names_sources = len({place.source.name for place in places}) > 1

    def rows(self) -> Iterator[Row]:
        unread: dict[str, None] = {}
        written = 0
        for place in self._places:
            source = place.source
            rows_of = RowReader(source.row_format, columns=source.columns, prompt=source.prompt)
            first_id, start = self._ids.next, written
            for row in self._of_place(place, rows_of):
                yield replace(row, source=source.name) if self._names_sources else row
                written += 1
            unread |= dict.fromkeys(rows_of.unread)
            edges = (start, written, first_id, self._ids.next)
            how = (source.weight, source.share, source.is_held_out)
            self.reading.sources.append(SourceRows(source.name, source.role, *edges, *how))
        self._say(unread)

    def _of_place(self, place: Place, rows_of: RowReader) -> Iterator[Row]:
        source = place.source
        if source.hub_id:
            with self._collecting() as faults:
                hub = read_hub(source.key, source.hub_id, source.hub_config, source.hub_split, faults)
                yield from rows_of.rows(hub, self._ids, faults)
        for file in place.files:
            with self._collecting() as faults:
                before, faulty = self._ids.next, len(faults)
                yield from rows_of.rows(read_records(file, faults), self._ids, faults)
                if self._ids.next == before and len(faults) == faulty:
                    faults.add(Problem(file.shown, "must hold rows, but holds none.", "", NO_ROWS))

    @contextmanager
    def _collecting(self) -> Iterator[Faults]:
        """The caller's faults, or those of one file, so that the first ones of each file are written out."""
        faults = Faults() if self._faults is None else self._faults
        noted = len(faults.notes)
        yield faults
        self.reading.remarks += islice(faults.notes, noted, None)
        if self._faults is None:
            self.problems += faults.problems()

    def _say(self, unread: dict[str, None]) -> None:
        told = [problem for problem, _ in self.reading.remarks if problem.code in _SAID]
        said = [f"{problem.where}: {problem.what} {problem.fix}".strip() for problem in told]
        self.reading.notes = said[:_SHOWN_NOTES]
        if len(said) > _SHOWN_NOTES:
            self.reading.notes.append(f"{len(said) - _SHOWN_NOTES} more such notes: task=check shows all.")
        if unread:
            self.reading.notes.append(f"These fields of the data aren't used: {', '.join(unread)}.")
