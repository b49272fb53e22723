"""Questions and answers as markup: JSON laid out, everything else as Markdown, and nothing hidden.

In: text that nobody has checked, of any length. Out: markup that is safe to put into a page.
"""

import json
import re
from functools import lru_cache

from markupsafe import Markup

from ftlab.evaluation.blind.markdown import render_code, render_markdown

MOST_RENDERED_CHARACTERS = 60_000
"""Longer text is shown as it is, whole: reading it as Markdown would hold up the page."""

MOST_JSON_DEPTH = 40
"""JSON that is nested deeper isn't laid out: its lines would begin far to the right."""

_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufdd0\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that can't be seen, that turn the direction of the text after them, or that no file can hold."""

_NUL = "\ufdd0"
"""Stands for NUL while Markdown is read, which would put another character in its place; it is no character itself."""

_JOINER = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")
"""Joiners inside a word or an emoji: part of how it is written."""

_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@lru_cache(maxsize=2_000)
def render_text(text: str) -> Markup:
    """Renders a question or an answer.

    Args:
        text: What was asked or answered.

    Returns:
        JSON laid out and coloured where the whole text is valid JSON; as it is where it only looks like JSON, or is
        very long; else Markdown. Characters that can't be seen are spelled out.
    """
    bare = text.strip()
    if len(text) > MOST_RENDERED_CHARACTERS:
        return as_given(text)
    if bare[:1] + bare[-1:] in ("{}", "[]"):
        laid_out = lay_out_json(bare)
        return _visible(render_code(laid_out, "json")) if laid_out is not None else as_given(text)
    return _visible(render_markdown(text.replace("\x00", _NUL)))


def as_given(text: str) -> Markup:
    """Returns a text as it is, in a block; characters that can't be seen are spelled out."""
    return _visible(Markup('<pre class="given">{}</pre>').format(text))


def lay_out_json(text: str) -> str | None:
    """Breaks JSON into lines without changing anything else: numbers, escapes and repeated keys stay as they are.

    >>> print(lay_out_json('{"a": [1.0, {}]}'))
    {
      "a": [
        1.0,
        {}
      ]
    }

    Args:
        text: Any text.

    Returns:
        The lines; None where the text is no valid JSON, or nested too deep to be read.
    """
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    parts = _JSON_PART.findall(text)
    lines, depth = "", 0
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        if depth > MOST_JSON_DEPTH:
            return None
        if part in "}]":
            depth -= 1
            lines += "" if before in "{[" else "\n" + "  " * depth
        lines += part
        if part in "{[":
            depth += 1
        if part == ":":
            lines += " "
        elif (part in "{[" and after not in "}]") or part == ",":
            lines += "\n" + "  " * depth
    return lines


def _visible(markup: Markup) -> Markup:
    """Spells out what can't be seen; our markup has foreign text only between tags, never inside of one."""
    kept = {match.start() for match in _JOINER.finditer(markup)}

    def spell(match: re.Match[str]) -> str:
        if match.start() in kept:
            return match.group()
        number = 0 if match.group() == _NUL else ord(match.group())
        return f'<span class="unseen">U+{number:04X}</span>'

    return Markup(_UNSHOWN.sub(spell, str(markup)))  # noqa: S704


def _refuse(name: str) -> None:
    raise ValueError(name)
