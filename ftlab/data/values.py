"""A field's value as text.

Values that aren't text are written as JSON, since a data set of JSON answers may hold them as objects: key order as in
the file, `", "` and `": "` between, characters beyond ASCII as they are: what `json.dumps(value, ensure_ascii=False)`
gives. Text is never stripped or repaired.
"""

import json
from typing import Any

EMPTY_ANSWER, EMPTY_QUESTION, NO_TEXT, NO_TURN = "FT108", "FT109", "FT110", "FT111"


class RowFault(ValueError):
    """A record that is no row.

    Args:
        what: What must hold, and what is there instead.
        fix: What to type or change.
        same_as: Equal for records that have the same fault, such as the same wrong field names.
        code: The documented number of this kind of fault; most are those of a turn.
    """

    def __init__(self, what: str, fix: str = "", same_as: object = None, code: str = NO_TURN) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.same_as = same_as
        self.code = code


def text_of(value: Any, name: str) -> str:
    """A field's value as text: text as it is, null as nothing, everything else as JSON.

    >>> text_of({"rate": 4.5, "name": "Größe"}, "output")
    '{"rate": 4.5, "name": "Größe"}'

    Raises:
        RowFault: The value isn't text and has no JSON form, or holds half of a surrogate pair.
    """
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        raise RowFault(f"`{name}` must be Unicode text, but holds half a character ({half}).", code=NO_TEXT) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise RowFault(f"`{name}` must be text or what JSON can hold, but is {_shown(value)}.", code=NO_TEXT) from error
    return text


def filled(value: Any, name: str, *, empty: str = EMPTY_ANSWER) -> str:
    """A field's value as text that isn't empty.

    Args:
        value: The value.
        name: The field's name.
        empty: The code of the fault where it is empty.

    Raises:
        RowFault: As `text_of`, or there is nothing but white space.
    """
    text = text_of(value, name)
    if not text.strip():
        shown = "null" if value is None else "only white space" if text else "empty"
        raise RowFault(f"`{name}` must hold text, but is {shown}.", "Fill it in, or remove the row.", code=empty)
    return text


def _shown(value: Any) -> str:
    """The beginning of a value; a value may be nested so deeply that Python can't write it."""
    try:
        return repr(value)[:60]
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply"
