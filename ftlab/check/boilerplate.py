"""One answer under many questions. In: exchanges, one by one. Out: findings FT421, at the end."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ftlab.check.finding import Finding
from ftlab.check.wording import Exchange, answer_digest, is_wide, prompt_digest

_MIN_LENGTH = 30
"""Characters from which an answer is more than a label (40 % of that in Chinese, Japanese and Korean)."""

_MIN_ROWS = 5


@dataclass(slots=True)
class BoilerplateCheck:
    """Counts answers, and names those that many different questions get.

    Args:
        share: Share of all rows (0 to 1) from which on an answer counts.
    """

    share: float
    _rows: int = 0
    _answers: "array[int]" = field(default_factory=lambda: array("Q"))
    _prompts: "array[int]" = field(default_factory=lambda: array("Q"))
    _ids: "array[int]" = field(default_factory=lambda: array("q"))
    _origins: list[str] = field(default_factory=list)
    _once: set[int] = field(default_factory=set)
    _starts: dict[int, str] = field(default_factory=dict)

    def look(self, exchange: Exchange) -> None:
        """Takes in one row. Labels, JSON and code may stand under many questions."""
        row, answer = exchange.row, exchange.answer
        self._rows += bool(row.messages)
        if exchange.is_code or len(answer) < _MIN_LENGTH * (0.4 if is_wide(answer) else 1):
            return
        key = answer_digest(row)
        self._answers.append(key)
        self._prompts.append(prompt_digest(row))
        self._ids.append(row.id)
        self._origins.append(row.origin)
        if key in self._once:
            self._starts.setdefault(key, " ".join(answer.split())[:60])
        self._once.add(key)

    def close(self) -> Iterator[Finding]:
        """Yields one finding for each answer, at the first row that gives it."""
        answers = np.array(self._answers, dtype=np.uint64)
        prompts = np.array(self._prompts, dtype=np.uint64)
        ids = np.array(self._ids, dtype=np.int64)
        _, first, counts = np.unique(answers, return_index=True, return_counts=True)
        least = max(_MIN_ROWS, self.share * self._rows)
        for place in np.sort(first[counts >= least]).tolist():
            same = answers == answers[place]
            questions = len(np.unique(prompts[same]))
            if questions < least:
                continue
            start, part = self._starts[int(answers[place])], questions / self._rows
            what = f"'{start}' is the answer to {questions:,} questions, {part:.1%} of the set."
            others = tuple(ids[same].tolist()[1:])
            fix = "Write what each question needs, or keep a few of these rows."
            yield Finding("FT421", self._origins[place], what, fix, int(ids[place]), others)
