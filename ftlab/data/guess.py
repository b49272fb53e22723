"""Guesses the format of rows from the names of their fields, for `data.format=auto`.

In: the fields of a few records. Out: the format, and what our fields are called there. A name that is ours is known,
not guessed; any other is told to the user. What a row must hold is `schema`'s.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.data.fields import OPTIONAL, SYNONYMS, closest

_ROLE_KEYS = {"messages": ("role", "content"), "sharegpt": ("from", "value")}
_TURNS = {"messages": "messages", "sharegpt": "conversations"}
_LIKENESS = 0.8
"""How alike a misspelt name must be before rows are read by it."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A format and its names.

    Attributes:
        row_format: Such as `alpaca`.
        columns: What each of our fields is called in the records.
    """

    row_format: str
    columns: tuple[tuple[str, str], ...]

    @property
    def needed(self) -> tuple[tuple[str, str], ...]:
        """The fields without which no record is a row."""
        return tuple(pair for pair in self.columns if pair[0] not in OPTIONAL)

    @property
    def renamed(self) -> dict[str, str]:
        """The fields that have another name than ours."""
        return {field: name for field, name in self.columns if field != name}


def guess(records: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> Guess | None:
    """Guesses the format that most records have.

    Args:
        records: Fields by name; a few are enough.
        given: What the user says our fields are called (`data.columns`), where that isn't their own name.

    Returns:
        The likeliest format; None where no record looks like any.
    """
    found = [one for fields in records if (one := guess_one(fields, given))]
    votes = Counter((one.row_format, one.needed) for one in found)
    if not votes:
        return None
    winner = votes.most_common(1)[0][0]
    return max((one for one in found if (one.row_format, one.needed) == winner), key=lambda one: len(one.columns))


def guess_one(fields: Mapping[str, Any], given: Mapping[str, str]) -> Guess | None:
    """Guesses the format of one record: by its list of turns, else by question and answer, else by its text.

    >>> guess_one({"question": "Why?", "answer": "So.", "id": 7}, {}).columns
    (('instruction', 'question'), ('output', 'answer'))
    """
    taken = {field: name for field, name in given.items() if name in fields}
    return _turns(fields, taken) or _pair(fields, taken) or _text(fields, taken)


def _turns(fields: Mapping[str, Any], taken: Mapping[str, str]) -> Guess | None:
    for row_format, field in _TURNS.items():
        named = {taken[field]} if field in taken else {field, *_TURNS.values(), *SYNONYMS[field]}
        for name, value in fields.items():
            turns = name.lower() in named and isinstance(value, list) and value and isinstance(value[0], Mapping)
            if turns and set(_ROLE_KEYS[row_format]) <= set(value[0]):
                return Guess(row_format, ((field, name),))
    for row_format, field in _TURNS.items():
        if field in fields and not {"instruction", "output", "prompt", "completion"} & set(fields):
            return Guess(row_format, ((field, field),))  # its turns can't be read, which is said of the row
    return None


def _pair(fields: Mapping[str, Any], taken: Mapping[str, str]) -> Guess | None:
    if "prompt" in fields and "completion" in fields and not {"instruction", "output"} & set(taken):
        return Guess("prompt-completion", (("prompt", "prompt"), ("completion", "completion")))
    free = [name for name in fields if name not in taken.values()]
    answer = taken.get("output") or taken.get("completion") or _find("output", free)
    if answer is None:
        return None
    question = taken.get("instruction") or taken.get("prompt") or _find("instruction", _without(free, answer))
    if question is None:
        return None
    if question.lower() == "prompt" and "instruction" not in taken:
        return Guess("prompt-completion", (("prompt", question), ("completion", answer)))
    context = taken.get("input") or _find("input", _without(free, answer, question))
    columns = {"instruction": question, "input": context, "output": answer}
    return Guess("alpaca", tuple((field, name) for field, name in columns.items() if name))


def _text(fields: Mapping[str, Any], taken: Mapping[str, str]) -> Guess | None:
    name = taken.get("text") or _find("text", list(fields))
    return Guess("text", (("text", name),)) if name else None


def _find(field: str, names: Sequence[str]) -> str | None:
    return field if field in names else closest(field, names, _LIKENESS)


def _without(names: Iterable[str], *taken: str) -> list[str]:
    return [name for name in names if name not in taken]
