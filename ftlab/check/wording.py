"""A row's words as the checks compare them: prompt, answer, and text without the differences that don't matter.

In: rows. Out: text and 64-bit digests of it. What is done with them is not known here.
"""

import hashlib
import re
from dataclasses import dataclass

from ftlab.data.normal import normal
from ftlab.data.row import Message, Row

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Japanese, Chinese and Korean characters, of which one says about as much as two or three letters."""

_CODE_SIGNS = re.compile(r"[{}<>=_\\|@#$^~`;\[\]]|\(\)|://")

_SEGMENT_END = re.compile(r"(?<=[.!?:;])\s+|(?<=[。！？：；])|\n+")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A row as prompt and answer.

    Attributes:
        row: The row.
        prompt: All turns but the last; empty for plain text.
        answer: The last turn's words; empty for plain text and where the last turn only calls functions.
        is_code: Whether the answer is written for machines: JSON, a program, a table. Rules of prose don't fit it.
    """

    row: Row
    prompt: str
    answer: str
    is_code: bool

    @classmethod
    def of(cls, row: Row) -> "Exchange":
        """Takes a row apart."""
        answer = row.messages[-1].content.strip() if row.messages else ""
        return cls(row, prompt_of(row), answer, looks_like_code(answer))


def looks_like_code(text: str) -> bool:
    """Whether a text is JSON or markup, or holds a code block, or has as many signs of programs as prose never has."""
    if text[:1] in ("{", "[", "<") or "```" in text or "\t" in text:
        return True
    return 33 * len(_CODE_SIGNS.findall(text)) > len(text)


def digest(text: str) -> int:
    """Returns a 64-bit hash of text, the same in every process; of a million texts two share one with odds of 10⁻⁷."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def prompt_of(row: Row) -> str:
    """What the model is given: all turns but the last, and the tools; empty for plain text."""
    return "\n".join([row.tools, *map(turn_text, row.messages[:-1])]).strip()


def answer_of(row: Row) -> str:
    """What the model learns to say: the last turn, or the plain text."""
    return turn_text(row.messages[-1]) if row.messages else row.text


def turn_text(turn: Message) -> str:
    """All that one turn says: thoughts, words and calls."""
    return "\n".join(part for part in (turn.reasoning, turn.content, turn.tool_calls) if part)


def prompt_digest(row: Row) -> int:
    """A hash of the normalised prompt with its roles: equal where two rows ask the same."""
    return digest(
        "\x1e".join([normal(row.tools), *(f"{turn.role}\x1f{normal(turn_text(turn))}" for turn in row.messages[:-1])])
    )


def answer_digest(row: Row) -> int:
    """A hash of the normalised answer."""
    return digest(normal(answer_of(row)))


def segments(text: str) -> list[str]:
    """The lines and sentences of a text, normalised, none of them empty."""
    return [segment for piece in _SEGMENT_END.split(text) if (segment := normal(piece))]


def is_wide(text: str) -> bool:
    """Whether most of a text is written in Chinese, Japanese or Korean characters."""
    return not text.isascii() and 2 * len(_WIDE.findall(text)) > len(text)
