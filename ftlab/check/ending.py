"""Answers that were cut off. In: exchanges, one by one. Out: findings FT451, at the end.

Whether an answer without a full stop is cut off depends on the set: where labels or keywords are answers, nothing is.
So the endings of all answers are counted first, and what stands out is judged then. Left alone are short last lines
(labels, names, signatures), list items, links, and what is written for machines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ftlab.check.finding import Finding
from ftlab.check.wording import Exchange, is_wide

_MIN_ANSWERS = 20
_CLOSED = 0.9
"""Share of the longer answers that must end properly before one that doesn't stands out."""
_CLOSED_FOR_DANGLING = 0.5
"""The same for answers that end in a word no sentence ends in."""

_MIN_LINE = 40
"""Characters of a last line from which it is taken for a sentence (40 % of that in Chinese, Japanese and Korean)."""

_END = re.compile(r"[.!?…。！？；;:：)\]}）】》」』\"'”’»`*_~|>$%€£¥°+\d-]$|[^\w\s,，、]$")
_DANGLING = re.compile(
    r"(?:\b(?:the|an?|and|or|of|because|than|your|our|their|its|whose|which|into|between|is|are|was|were|und|oder|der|die|das|et|de|la|le)"
    r"|[,，、]|[的和与或是在为])$",
    re.IGNORECASE,
)
_LIST_ITEM = re.compile(r"^\s*(?:[-*•·–]|\d+[.)、]|[a-z][.)]|#+|>|\|)\s?")
_FILE = re.compile(r"\w\.\w{2,4}$")


@dataclass(slots=True)
class EndingCheck:
    """Collects how answers end, and names those that break off."""

    _answers: int = 0
    _closed: int = 0
    _suspects: list[tuple[int, str, str, bool]] = field(default_factory=list)
    _open_blocks: list[tuple[int, str]] = field(default_factory=list)

    def look(self, exchange: Exchange) -> None:
        """Takes in one row."""
        row, answer = exchange.row, exchange.answer
        if len(re.findall(r"^\s*```", answer, re.MULTILINE)) % 2:
            self._open_blocks.append((row.id, row.origin))
            return
        if exchange.is_code or not answer:
            return
        line = answer.splitlines()[-1].strip()
        if (
            len(line) < _MIN_LINE * (0.4 if is_wide(line) else 1)
            or _LIST_ITEM.match(line)
            or _is_link(line.split()[-1])
        ):
            return
        self._answers += 1
        dangling = _DANGLING.search(line[-12:]) is not None
        if _END.search(line[-2:]) and not dangling:
            self._closed += 1
        else:
            self._suspects.append((row.id, row.origin, line[-30:], dangling))

    def close(self) -> Iterator[Finding]:
        """Yields the findings of the whole set."""
        fix = "Complete the answer, or remove the row."
        for row_id, origin in self._open_blocks:
            yield Finding("FT451", origin, "the answer opens a code block (```) and doesn't close it.", fix, row_id)
        if self._answers < _MIN_ANSWERS:
            return
        share = self._closed / self._answers
        for row_id, origin, end, dangling in self._suspects:
            if share >= (_CLOSED_FOR_DANGLING if dangling else _CLOSED):
                what = f"the answer breaks off at '…{end}', while {share:.0%} of the answers end with a closing mark."
                yield Finding("FT451", origin, what, fix, row_id)


def _is_link(word: str) -> bool:
    """Whether a word is an address on the net or the name of a file."""
    return "://" in word or _FILE.search(word[-12:]) is not None
