"""Damaged text: read in a wrong encoding, with invisible characters, or with characters lost.

In: text. Out: what is wrong, or mended text.

References:
    ftfy (Robyn Speer): the rules that tell `Ã¼` from text that is meant so, and the way back through the encodings.
"""

import re
from collections import Counter

from ftfy import fix_encoding
from ftfy.badness import badness

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_INVISIBLE = re.compile(
    # Zero-width and soft hyphens, marks that turn the writing direction, tag characters, control characters; joiners
    # only between letters that need none: Persian, Indic scripts and emoji are written with them.
    f"[\u00ad\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f{_CONTROL}]"
    "|(?<=[A-Za-z0-9\u4e00-\u9fff])[\u200c\u200d](?=[A-Za-z0-9\u4e00-\u9fff])"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""A flag of England, Scotland or Wales: an emoji that is spelled with tag characters."""

_LOST = re.compile("\ufffd+|锟斤拷|(?:烫){3,}|(?:屯){3,}")
"""The replacement character, and what GBK readers and uninitialised memory leave in Chinese text."""

_SURE_BADNESS = 2
"""Places that ftfy finds unlikely before text counts as damaged that it can't mend."""


def misread(text: str) -> str | None:
    """Finds text that was read in a wrong encoding.

    Args:
        text: Any text.

    Returns:
        The first piece of it as `'Ã¼' for 'ü'`, or as it is where it can't be mended; None where the text is sound.
    """
    if text.isascii():
        return None
    mended = mend_encoding(text)
    if mended != text:
        return _difference(text, mended)
    if any(badness(line) >= _SURE_BADNESS for line in text.splitlines()):
        return next(f"'{word}'" for word in text.split() if not word.isascii())
    return None


def mend_encoding(text: str) -> str:
    """Undoes a wrong encoding line by line; a line that is sound, or whose bytes don't tell, stays as it is."""
    if text.isascii():
        return text
    return "".join(_mend_line(line) for line in text.splitlines(keepends=True))


def invisible(text: str) -> Counter[str]:
    """Counts the invisible characters of a text by their names: `{"U+200B": 2}`."""
    return Counter(f"U+{ord(match.group()):04X}" for match in _invisible_places(text))


def mend_invisible(text: str) -> str:
    """Takes the invisible characters out."""
    parts, end = [], 0
    for match in _invisible_places(text):
        parts.append(text[end : match.start()])
        end = match.end()
    return "".join([*parts, text[end:]])


def lost(text: str) -> str | None:
    """Returns what stands where characters were lost, with the words around it; None where none was."""
    if text.isascii() or (match := _LOST.search(text)) is None:
        return None
    return " ".join(text[max(match.start() - 12, 0) : match.end() + 12].split())


def _mend_line(line: str) -> str:
    mended = str(fix_encoding(line))
    return line if "\ufffd" in mended and "\ufffd" not in line else mended


def _difference(text: str, mended: str) -> str:
    """The first word that was mended, before and after."""
    for before, after in zip(text.split(), mended.split(), strict=False):
        if before != after:
            return f"'{before[:40]}' for '{after[:40]}'"
    return f"'{text[:40]}'"


def _invisible_places(text: str) -> list[re.Match[str]]:
    if text.isascii() and text.isprintable():
        return []
    flags = [match.span() for match in _FLAG.finditer(text)]
    return [
        match for match in _INVISIBLE.finditer(text) if not any(start < match.start() < end for start, end in flags)
    ]
