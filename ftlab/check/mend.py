"""Mends what the check finds and a program can put right without a guess. In: a row and a code. Out: the mended row."""

from collections.abc import Callable
from dataclasses import replace

from ftlab.check.content import SENSITIVE
from ftlab.check.damage import mend_encoding, mend_invisible
from ftlab.check.residue import mend_residue
from ftlab.check.sensitive import mask_sensitive
from ftlab.data.row import Message, Row

_MENDERS: dict[str, Callable[[str], str]] = {
    "FT441": mend_residue,
    "FT442": mend_encoding,
    "FT443": mend_invisible,
}
_MASKED = frozenset(kind.code for kind in SENSITIVE)


def mend(row: Row, code: str, *, mask_personal_data: bool) -> Row:
    """Mends one kind of fault in all texts of a row.

    Args:
        row: The row.
        code: The finding's code.
        mask_personal_data: Whether personal data and secrets are masked; without it they stay.

    Returns:
        The mended row: the same object where nothing of this kind can be mended, so that `mended is row` tells.
    """
    if code in _MASKED:
        return _changed(row, lambda text: mask_sensitive(text, SENSITIVE, code)) if mask_personal_data else row
    mender = _MENDERS.get(code)
    return row if mender is None else _changed(row, mender)


def _changed(row: Row, change: Callable[[str], str]) -> Row:
    def turn(message: Message) -> Message:
        return replace(
            message,
            content=change(message.content),
            reasoning=change(message.reasoning),
            tool_calls=change(message.tool_calls),
        )

    mended = replace(row, text=change(row.text), messages=tuple(turn(message) for message in row.messages))
    return row if mended == row else mended
