"""The codes of all findings: what each means, how grave it is, and what `check.write` does about it.

FT1xx format · FT2xx duplicates and leakage · FT3xx tokens · FT4xx content · FT5xx masks and templates · FT6xx sources
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Remedy = Literal["keep", "drop", "mend"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        number: Such as FT201; never reused for another kind.
        title: A few words, such as "exact duplicate".
        severity: An error stops training, a warning doesn't, a note only says what was decided or how the set is made;
            `check.silence` and `check.errors` change it.
        remedy: What `check.write` does with the row: `keep`, `drop` or `mend`.
        meaning: Why it matters and what to do, in one or two sentences (docs/findings.md is made of them).
    """

    number: str
    title: str
    severity: Severity
    remedy: Remedy
    meaning: str


_ALL: tuple[Code, ...] = (
    # FT1xx format
    # FT2xx duplicates and leakage
    # FT3xx tokens
    # FT4xx content
    # FT5xx masks and templates
    # FT6xx sources
)

CODES: dict[str, Code] = {code.number: code for code in _ALL}
"""By number, in the order of the numbers."""
