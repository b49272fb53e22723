"""The questions of a test: rows of any format, or `{"question": ..., "reference": ...}` (the reference may be missing).

In: a file, or held-out rows. Out: `Row`s, which a run's encoder turns into prompts, and the text that raters see.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import numpy as np

from ftlab.data.faults import Faults
from ftlab.data.files import find_files
from ftlab.data.reader import AUTO, RowReader
from ftlab.data.records import Record, read_records
from ftlab.data.row import Message, Row
from ftlab.data.schema import MISSING
from ftlab.data.values import EMPTY_QUESTION, RowFault, filled, text_of
from ftlab.problem import InputError, Problem

log = logging.getLogger(__name__)

_QUESTION, _REFERENCE = "question", "reference"
_ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def read_questions(path: str, key: str = "questions") -> list[Row]:
    """Reads the questions of a file, folder or glob.

    Args:
        path: As the user wrote it; JSONL, JSON, CSV or Parquet.
        key: The config key that holds it, for messages.

    Returns:
        Conversations whose last turn is the reference, empty where the file has none; at least one.

    Raises:
        InputError: Everything that is wrong: no such file, rows that can't be read, questions without text.
    """
    files, problems = find_files(key, path, AUTO)
    if problems:
        raise InputError(problems)
    faults, ids = Faults(), count()
    rows = [row for file in files for row in _rows(file.shown, list(read_records(file, faults)), ids, faults)]
    faults.raise_all()
    if not rows:
        raise InputError([Problem(key, f"must hold at least one question, but '{path}' has none.")])
    return rows


def choose(rows: Sequence[Row], most: int, seed: int) -> list[Row]:
    """Chooses some of the rows, the same for the same seed, in their order.

    Args:
        rows: What to choose from.
        most: How many at most.
        seed: Of the run.
    """
    if len(rows) <= most:
        return list(rows)
    places = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return [rows[place] for place in sorted(places.tolist())]


def shown_question(row: Row) -> str:
    """What raters read: the question, or the whole talk before the answer where there are more turns.

    Args:
        row: A conversation, or a plain text, whose first half is asked.
    """
    if not row.messages:
        return row.text[: len(row.text) // 2]
    turns = row.messages[:-1] if row.messages[-1].role == "assistant" else row.messages
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"**{_ROLES[turn.role]}:** {turn.content}" for turn in turns)


def reference_of(row: Row) -> str:
    """Returns the answer that a row holds; empty where it holds none."""
    if not row.messages:
        return row.text[len(row.text) // 2 :]
    return row.messages[-1].content if row.messages[-1].role == "assistant" else ""


def question_notes(rows: Iterable[Row]) -> list[str]:
    """Says what is odd about the questions, one sentence each."""
    times = Counter(shown_question(row) for row in rows)
    twice = sum(number - 1 for number in times.values())
    return [f"Questions that repeat an earlier one: {twice}. Each is asked, and counts as an item."] if twice else []


def _rows(file: str, records: list[Record], ids: Iterator[int], faults: Faults) -> Iterator[Row]:
    """The rows of one file: questions with or without reference where the fields say so, else a data set's rows."""
    if not any(_QUESTION in record.fields for record in records):
        yield from RowReader(AUTO).rows(records, ids, faults)
        return
    unread = Counter(name for record in records for name in record.fields if name not in (_QUESTION, _REFERENCE))
    if unread:
        others = ", ".join(f"`{name}`" for name in unread)
        log.warning("%s: only `%s` and `%s` are read, not %s.", file, _QUESTION, _REFERENCE, others)
    for record in records:
        row_id = next(ids)
        try:
            yield _row(record, row_id)
        except RowFault as fault:
            faults.add(Problem(record.origin, fault.what, fault.fix, fault.code), row_id=row_id)


def _row(record: Record, row_id: int) -> Row:
    if _QUESTION not in record.fields:
        found = ", ".join(f"`{name}`" for name in record.fields) or "none"
        raise RowFault(f"the field `{_QUESTION}` must be there, but the row's fields are {found}.", code=MISSING)
    question = filled(record.fields.get(_QUESTION), _QUESTION, empty=EMPTY_QUESTION)
    reference = text_of(record.fields.get(_REFERENCE), _REFERENCE)
    return Row(row_id, record.origin, messages=(Message("user", question), Message("assistant", reference)))
