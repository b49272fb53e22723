"""A field's value as text.

Values that aren't text are written as JSON, since a data set of JSON answers may hold them as objects: key order as in
the file, `", "` and `": "` between, characters beyond ASCII as they are: what `json.dumps(value, ensure_ascii=False)`
gives. Text is never stripped or repaired.
"""

import json
from typing import Any


class RowFault(ValueError):
    """A record that is no row.

    Args:
        what: What must hold, and what is there instead.
        fix: What to type or change.
        same_as: Equal for records that have the same fault, such as the same wrong field names.
    """

    def __init__(self, what: str, fix: str = "", same_as: object = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.same_as = same_as


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
        raise RowFault(f"`{name}` must be Unicode text, but holds half a character ({half}).") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise RowFault(f"`{name}` must be text or what JSON can hold, but is {repr(value)[:60]}.") from error
    return text


def filled(value: Any, name: str) -> str:
    """A field's value as text that isn't empty.

    Raises:
        RowFault: As `text_of`, or there is nothing but white space.
    """
    text = text_of(value, name)
    if not text.strip():
        shown = "null" if value is None else "empty"
        raise RowFault(f"`{name}` must hold text, but is {shown}.", "Fill it in, or remove the row.")
    return text
