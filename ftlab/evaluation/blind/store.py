"""Where votes are kept: `RatingStore`, an SQLite file for many raters at once; and their links.

In: `Rating`s, one at a time from a page or many from a file that a rater sent back. Out: the newest vote of each
(test, rater, item). Older votes stay in the file, so that a rater can take the last one back.

The file is in SQLite's rollback mode with full syncs, not in its write-ahead mode: a vote is on the disk before the
page says so, the folder can be copied at any time as one file, and it may lie on a network share. A test of some
hundred votes has no use for faster writes.
"""

import json
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ftlab.evaluation.blind.sheet import Rating, read_rating_file, stray_problems
from ftlab.problem import InputError, Problem

FILE = "ratings.sqlite"
VERSION = 1
"""Version of the file's layout; a higher one is refused."""

_WAIT_S = 30.0
"""How long a write waits for another one; each takes milliseconds."""

_LAYOUT = (
    "CREATE TABLE rater (name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, form TEXT NOT NULL)",
    "CREATE TABLE vote (number INTEGER PRIMARY KEY AUTOINCREMENT, test TEXT NOT NULL, rater TEXT NOT NULL, "
    "item TEXT NOT NULL, said TEXT NOT NULL, at TEXT NOT NULL, withdrawn INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX vote_of ON vote (test, rater, item)",
)
_STANDS = "SELECT test, rater, item, said, at FROM vote WHERE NOT withdrawn"


@dataclass(frozen=True, slots=True)
class Rater:
    """Who may vote, and by which link.

    Attributes:
        name: The rater's name.
        token: The part of the link that nobody can guess; whoever has it may vote.
        form: What the page sends along with each vote, so that another page can't vote in its place.
    """

    name: str
    token: str
    form: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a file of ratings.

    Attributes:
        added: Votes of items that had none.
        replaced: Votes that are newer than the one that stood.
        unchanged: Votes that were there already, or older than the one that stands.
        refused: Why nothing was taken; empty where the file was merged.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    refused: tuple[Problem, ...] = ()


class RatingStore:
    """The votes of a test.

    Every call opens the file for itself: threads and processes may share it.

    Args:
        path: The file; made where it is missing.

    Raises:
        InputError: The file is no store, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with suppress(OSError):  # SQLite says it better
            path.touch(mode=0o600)  # it holds the raters' links
        with self._write() as base:
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                what = f"must be of version {VERSION} at most, but is of version {version}."
                raise InputError([Problem(str(path), what, "Update ftlab.")])
            if version == 0:
                for statement in _LAYOUT:
                    base.execute(statement)
                base.execute(f"PRAGMA user_version = {VERSION}")

    def put_now(self, rating: Rating) -> bool:
        """Keeps a vote that is given at this moment: it stands, whatever a clock said before.

        Args:
            rating: The vote; its time is replaced.

        Returns:
            Whether anything changed.
        """
        with self._write() as base:
            standing = _standing(base, rating)
            latest = max(datetime.now(UTC).timestamp(), _moment(standing) + 1e-3 if standing else 0.0)
            now = datetime.fromtimestamp(latest, UTC).isoformat(timespec="milliseconds")
            return _keep(base, replace(rating, at=now)) != "unchanged"

    def undo(self, test: str, rater: str) -> str | None:
        """Takes back the vote that came in last; what the rater said of that item before stands again.

        Args:
            test: Which test.
            rater: Whose vote.

        Returns:
            The item; None where there is nothing to take back.
        """
        with self._write() as base:
            row = base.execute(
                "SELECT number, item FROM vote WHERE test = ? AND rater = ? AND NOT withdrawn ORDER BY number DESC",
                (test, rater),
            ).fetchone()
            if row is None:
                return None
            base.execute("UPDATE vote SET withdrawn = 1 WHERE number = ?", (row[0],))
            return str(row[1])

    def all(self) -> list[Rating]:
        """Returns the votes that stand, in the order in which their items were first rated."""
        with self._open() as base:
            return _newest(base.execute(f"{_STANDS} ORDER BY number"))

    def of(self, test: str, rater: str) -> dict[str, Rating]:
        """Returns what one rater's votes are now, by item.

        Args:
            test: Which test.
            rater: Whose votes.
        """
        with self._open() as base:
            rows = base.execute(f"{_STANDS} AND test = ? AND rater = ? ORDER BY number", (test, rater))
            return {rating.item: rating for rating in _newest(rows)}

    def merge(self, file: Path, *, test: str, items: Collection[str], raters: Collection[str]) -> Merged:
        """Takes in a file of ratings that a rater sent back: all of it, or nothing.

        Args:
            file: The file.
            test: The test's id.
            items: The ids of its items.
            raters: Who was asked.

        Returns:
            What became of its votes. A file that is merged again changes nothing.
        """
        try:
            ratings = read_rating_file(file)
        except InputError as error:
            return Merged(refused=error.problems)
        problems: list[Problem] = []
        for number, rating in enumerate(ratings, start=1):
            where = f"{file}: rating {number}"
            problems += stray_problems(rating, test=test, items=items, where=where)
            if rating.rater not in raters:
                known = ", ".join(raters)
                problems.append(Problem(where, f"`rater` must be one of {known}, but is {rating.rater}."))
        if problems:
            return Merged(refused=tuple(problems))
        with self._write() as base:
            done = [_keep(base, rating) for rating in ratings]
        return Merged(done.count("added"), done.count("replaced"), done.count("unchanged"))

    def raters(self, names: Sequence[str]) -> tuple[Rater, ...]:
        """Returns raters with their links; a link stays the same for good.

        Args:
            names: Who may vote.
        """
        with self._write() as base:
            for name in names:
                row = (name, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
                base.execute("INSERT OR IGNORE INTO rater VALUES (?, ?, ?)", row)
            rows = base.execute("SELECT name, token, form FROM rater").fetchall()
        known = {row[0]: Rater(*row) for row in rows}
        return tuple(known[name] for name in names)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)) as base:
                base.execute("PRAGMA synchronous = FULL")
                yield base
        except sqlite3.Error as error:
            what = f"can't be used as a store of ratings: {error}."
            raise InputError([Problem(str(self.path), what, "Is it this file, on a disk with room?")]) from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one writer at a time: what isn't committed goes with the connection."""
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            yield base
            base.execute("COMMIT")


def _keep(base: sqlite3.Connection, rating: Rating) -> str:
    """Adds a vote to the history, unless it is there or older than the one that stands."""
    standing = _standing(base, rating)
    if standing and (_said(standing) == _said(rating) or _moment(rating) < _moment(standing)):
        return "unchanged"
    row = (*rating.key, _said(rating), rating.at)
    known = "SELECT 1 FROM vote WHERE (test, rater, item, said, at) = (?, ?, ?, ?, ?)"
    if base.execute(known, row).fetchone():
        return "unchanged"  # It was taken back since.
    base.execute("INSERT INTO vote (test, rater, item, said, at) VALUES (?, ?, ?, ?, ?)", row)
    return "replaced" if standing else "added"


def _standing(base: sqlite3.Connection, rating: Rating) -> Rating | None:
    rows = base.execute(f"{_STANDS} AND (test, rater, item) = (?, ?, ?) ORDER BY number", rating.key)
    return next(iter(_newest(rows)), None)


def _newest(rows: Iterable[tuple[str, str, str, str, str]]) -> list[Rating]:
    newest: dict[tuple[str, str, str], Rating] = {}
    for test, rater, item, said, at in rows:
        rating = Rating(test=test, rater=rater, item=item, at=at, **json.loads(said))
        standing = newest.get(rating.key)
        if standing is None or _moment(rating) >= _moment(standing):
            newest[rating.key] = rating
    return list(newest.values())


def _said(rating: Rating) -> str:
    """What a vote says, without its time: equal votes give equal text, which any database can hold."""
    value = rating.to_dict()
    return json.dumps({name: value[name] for name in ("choice", "marks", "comment")}, sort_keys=True)


def _moment(rating: Rating) -> float:
    """When the vote was given, in seconds; the times of a file may stand in any zone."""
    return datetime.fromisoformat(rating.at).timestamp()
