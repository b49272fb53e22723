"""What must not be learned by heart, as a table: a pattern, what else must hold of a match, and what masks it.

The tables themselves are in `personal` (data of people) and `secret` (keys). In: text. Out: places, or masked text.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


def _always(match: re.Match[str]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Sensitive:
    """One kind of text that must not be learned.

    Attributes:
        code: The finding's code.
        name: What it is, with its article: `an e-mail address`.
        mask: What stands in its place once it is masked.
        pattern: What it looks like; where it has a group `value`, that alone is the sensitive part.
        holds: What else must be true of a match: check digits, or what stands before it.
        cue: Text without this can't match `pattern`; cheap to look for.
    """

    code: str
    name: str
    mask: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = _always
    cue: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something sensitive stands in a text: [start, end)."""

    kind: Sensitive
    start: int
    end: int


def find_sensitive(text: str, table: Sequence[Sensitive]) -> list[Place]:
    """Finds what must not be learned.

    Args:
        text: Any text.
        table: The kinds to look for; where two match the same place, the earlier one has it.

    Returns:
        The places in the order of the text, none overlapping another.
    """
    found: list[Place] = []
    for kind in table:
        if kind.cue is not None and not kind.cue.search(text):
            continue
        for match in kind.pattern.finditer(text):
            after = bisect_left(found, match.end(), key=lambda place: place.start)
            if (after == 0 or found[after - 1].end <= match.start()) and kind.holds(match):
                span = match.span("value" if "value" in kind.pattern.groupindex else 0)
                insort(found, Place(kind, *span), key=lambda place: place.start)
    return found


def mask_sensitive(text: str, table: Sequence[Sensitive], code: str) -> str:
    """Puts the mask in place of everything sensitive of one code.

    Args:
        text: Any text.
        table: The kinds; all of them take part, so that the same places are found as by the check.
        code: Which of them are masked.

    Returns:
        The text with masks.
    """
    parts: list[str] = []
    end = 0
    for place in find_sensitive(text, table):
        if place.kind.code == code:
            parts += [text[end : place.start], place.kind.mask]
            end = place.end
    return "".join([*parts, text[end:]])


def hinted(text: str) -> str:
    """Shows enough of a sensitive text to find it again, and no more: the report is no second copy of it."""
    line = " ".join(text.split())
    return f"{line[:2]}…{line[-2:]}" if len(line) > 8 else "…"


def before(match: re.Match[str], characters: int) -> str:
    """The text before a match, at most so many characters."""
    return match.string[max(match.start() - characters, 0) : match.start()]


def around(match: re.Match[str], characters: int) -> Iterator[str]:
    """The text before and after a match, at most so many characters each."""
    yield before(match, characters)
    yield match.string[match.end() : match.end() + characters]
