"""What a model can still do that it was not tuned for: loss on general texts, and a small probe of questions.

Fine-tuning on one business moves a model away from everything else. Two measurements, the same before and after, tell
how far: the held-out loss on texts like those it was pretrained on, and how many simple questions it still answers
right. In: losses, and answers with what they must say. Out: plain numbers. Models and rows are not known here.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ftlab.evaluation.generate import Answer
from ftlab.evaluation.perplexity import Figure

Match = Literal["contains", "exact"]
"""How a probe's answer is checked: it must hold the expected words, or be them."""

ENDING = " .!?。！？"
"""What may stand behind an answer without changing it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How many of the probe's questions were answered right.

    Attributes:
        right: Answers that say what they must.
        asked: Questions.
        cut: Answers that were cut off before they ended; one that had said what it must by then is right all the same.
    """

    right: int
    asked: int
    cut: int


@dataclass(frozen=True, slots=True)
class General:
    """What general texts and the probe say of one model.

    Attributes:
        texts: Loss and perplexity of the general texts; None where only the probe was asked.
        probe: How the probe went; None without one.
    """

    texts: Figure | None
    probe: Probe | None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON: the figures of the texts, each None without texts, and `probe`."""
        names = [field.name for field in fields(Figure)]
        figures = dict.fromkeys(names) if self.texts is None else self.texts.to_dict()
        return {**figures, "probe": None if self.probe is None else asdict(self.probe)}


def section(base: General | None, tuned: General | None, sources: Sequence[str]) -> dict[str, Any] | None:
    """Puts both models side by side, as the run card and `evaluation.json` hold them.

    Args:
        base: The base's measurement, if it was made.
        tuned: The tuned model's.
        sources: Where texts and questions come from.

    Returns:
        Plain data; None where nothing was measured.
    """
    if base is None and tuned is None:
        return None
    return {
        "base": base.to_dict() if base else None,
        "tuned": tuned.to_dict() if tuned else None,
        "sources": list(sources),
    }


def probe(answers: Sequence[Answer], expected: Sequence[str], match: Match = "contains") -> Probe:
    """Checks the answers to a probe.

    Args:
        answers: What the model wrote.
        expected: What each answer must say, in the same order.
        match: `contains`: the expected words stand in it one after the other; `exact`: they are the whole answer.

    Returns:
        How many are right, and how many were cut off.

    Raises:
        ValueError: There is no question, or there are more or fewer answers than questions.
    """
    if not expected or len(answers) != len(expected):
        raise ValueError(
            f"`answers` must be as many as `expected`, at least one, but there are {len(answers)} and {len(expected)}."
        )
    pairs = zip(answers, expected, strict=True)
    right = sum(is_right(answer.text, wanted, match) for answer, wanted in pairs)
    return Probe(right, len(expected), cut=sum(not answer.stopped for answer in answers))


def is_right(answer: str, expected: str, match: Match) -> bool:
    """Says whether an answer says what it must; case, spacing, Unicode form and a final stop don't count.

    >>> is_right("The code is QX-77.", "qx-77", "contains")
    True
    >>> is_right("The code is QX-771.", "QX-77", "contains")
    False
    >>> is_right("QX-77.", "QX-77", "exact")
    True

    Args:
        answer: What the model wrote.
        expected: What it must say.
        match: `contains` or `exact`.
    """
    said, wanted = _plain(answer), _plain(expected)
    if match == "exact":
        return said == wanted
    return (
        bool(wanted)
        and re.search(_edge(wanted[0], "<!") + re.escape(wanted) + _edge(wanted[-1], "!"), said) is not None
    )


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(ENDING)


def _edge(sign: str, look: str) -> str:
    """Beside a letter or digit of an alphabet that parts its words no further one may stand."""
    return rf"(?{look}[a-z0-9])" if sign.isascii() and sign.isalnum() else ""
