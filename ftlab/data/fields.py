"""The fields of each format, and what to do about wrong names: the format that fits, or the `data.columns` entries.

Names and advice only; what a row must hold is `schema`'s.
"""

import difflib
from collections.abc import Sequence

FIELDS: dict[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "input", "output"),
    "prompt-completion": ("prompt", "completion"),
    "messages": ("messages", "tools"),
    "sharegpt": ("conversations", "tools"),
    "text": ("text",),
}
"""The fields of each format, by our names."""

OPTIONAL = frozenset({"input", "tools"})

SYNONYMS = {
    "instruction": ("question", "prompt", "query", "user", "request", "ask", "problem", "title", "input", "text"),
    "input": ("context", "passage", "document", "background", "details"),
    "output": ("answer", "response", "completion", "target", "reply", "assistant", "solution", "label", "chosen"),
    "messages": ("conversations", "conversation", "dialog", "dialogue", "chat", "turns", "history"),
    "conversations": ("conversation", "messages", "dialog", "dialogue", "chat", "turns", "history"),
    "prompt": ("instruction", "question", "query", "user", "request", "input", "problem"),
    "completion": ("response", "answer", "output", "chosen", "target", "reply", "assistant", "solution", "label"),
    "text": ("content", "document", "body", "passage", "article", "sentence"),
}
"""Names that other data sets give to these fields, the likeliest first."""

_TELLTALE = {
    "messages": {"messages"},
    "sharegpt": {"conversations"},
    "alpaca": {"instruction", "output"},
    "prompt-completion": {"prompt", "completion"},
    "text": {"text"},
}
"""The fields by which a format is known."""


def advise(missing: Sequence[str], found: Sequence[str], row_format: str) -> str:
    """What to type when fields are missing.

    >>> advise(["output"], ["answer", "id"], "alpaca")
    'Set data.columns.output=answer.'
    >>> advise(["instruction", "output"], ["messages"], "alpaca")
    'These look like messages rows: set data=messages.'

    Args:
        missing: Our names of the fields that the format needs.
        found: The row's names that are free to take.
        row_format: The format that was asked for.

    Returns:
        A sentence.
    """
    for other, fields in _TELLTALE.items():
        if other != row_format and fields <= set(found):
            return f"These look like {other} rows: set data={other}."
    settings = []
    for field in missing:
        name = closest(field, found)
        if name is None:
            return f"Name the fields that hold them: data.columns.{missing[0]}=<your field's name>."
        settings.append(f"data.columns.{field}={name}")
    return f"Set {' '.join(settings)}."


def closest(field: str, found: Sequence[str], likeness: float = 0.7) -> str | None:
    """The likeliest of the names that are found for one of our fields: a known other name, or a misspelt one.

    Args:
        field: Our name.
        found: Names to choose from.
        likeness: How alike a misspelt name must be, 0 to 1.

    Returns:
        One of them; None where none is likely.
    """
    by_lower = {name.lower(): name for name in found}
    for synonym in SYNONYMS[field]:
        if synonym in by_lower:
            return by_lower[synonym]
    close = difflib.get_close_matches(field, by_lower, n=1, cutoff=likeness)
    return by_lower[close[0]] if close else None
