"""Takes out of an answer what tells whose it is: thinking and its length, markers of a chat template, model names.

In: an answer as generated, and rules that say what to take out. Out: the text that raters see, and how often each rule
found something. The answer as generated stays in the private file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftlab.problem import Problem

HIDDEN = "[…]"
"""What stands where a name or a pattern of the user's was taken out."""

_TAGS = "think|thinking|thought|reasoning"
_CLOSED = re.compile(rf"<({_TAGS})>.*?</\1>", re.DOTALL | re.IGNORECASE)
# A prompt may open the block, and the longest length may cut it: its one end is all there is then.
_OPENED_BEFORE = re.compile(rf"\A(?:(?!<(?:{_TAGS})>).)*?</(?:{_TAGS})>", re.DOTALL | re.IGNORECASE)
_CUT = re.compile(rf"<({_TAGS})>.*\Z", re.DOTALL | re.IGNORECASE)

_MARKER = re.compile(
    r"<\|start_header_id\|>\s*\w*\s*<\|end_header_id\|>|<\|im_start\|>(?:system|user|assistant|tool)?\n?"
    r"|<start_of_turn>(?:model|user)?\n?|<end_of_turn>|<\|[A-Za-z_][A-Za-z0-9_]{0,40}\|>|<｜[^｜<>\n]{1,40}｜>"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS)\]|\A\s*<(?:s|bos)>|(?:</s>|<eos>|<pad>)\s*\Z"
    r"|^###\s*(?:Response|Assistant):[ \t]*\n?",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is taken out.

    Attributes:
        thinking: Whether `<think>…</think>` and its like go, closed or not.
        markers: Whether markers of chat templates go.
        names: Names of models; upper and lower case are one.
        patterns: Regular expressions of the user's.
    """

    thinking: bool = True
    markers: bool = True
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


def pattern_problems(patterns: Sequence[str], where: str) -> list[Problem]:
    """Says which patterns are no regular expressions, or match where nothing is.

    Args:
        patterns: The user's.
        where: The config key that holds them.
    """
    problems = []
    for number, pattern in enumerate(patterns):
        try:
            if re.compile(pattern).search("") is not None:
                problems.append(Problem(f"{where}[{number}]", f"must match some text, but {pattern!r} matches none."))
        except re.error as error:
            what = f"must be a regular expression, but {pattern!r} is broken: {error}."
            problems.append(Problem(f"{where}[{number}]", what))
    return problems


def telling_names(models: Iterable[str]) -> tuple[str, ...]:
    """Returns the names by which answers would tell of their model.

    A plain word such as `tiny` is none: it may be part of any answer.

    >>> telling_names(["tiny", "Qwen/Qwen3-0.6B"])
    ('Qwen/Qwen3-0.6B', 'Qwen3-0.6B')

    Args:
        models: Names and paths of models.
    """
    names = [name for model in models for name in (model, model.rstrip("/").rpartition("/")[2])]
    return tuple(dict.fromkeys(name for name in names if re.search(r"[0-9_-]", name) and len(name) > 2))


def strip(text: str, rules: Rules) -> tuple[str, Counter[str]]:
    """Takes out what the rules name, and white space at both ends.

    Args:
        text: An answer as generated.
        rules: What to take out.

    Returns:
        What raters see, and how often each kind (`thinking`, `markers`, `names`, `patterns`) was found.
    """
    found: Counter[str] = Counter()

    def take(kind: str, pattern: re.Pattern[str], put: str = "") -> None:
        nonlocal text
        text, times = pattern.subn(lambda _: put, text)
        if times:
            found[kind] += times

    if rules.thinking:
        for block in (_CLOSED, _OPENED_BEFORE, _CUT):
            take("thinking", block)
    if rules.markers:
        take("markers", _MARKER)
    for name in sorted(rules.names, key=len, reverse=True):
        # Chinese and Japanese put no space around a name, so only ASCII letters and digits make it another word.
        take("names", re.compile(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", re.IGNORECASE), HIDDEN)
    for pattern in rules.patterns:
        take("patterns", re.compile(pattern), HIDDEN)
    return text.strip(), found
