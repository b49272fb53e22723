"""What a check of the data set found: one `Finding` for each place, under a documented code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        code: The kind of finding, such as FT201; `codes.CODES` says what it means and how grave it is.
        where: The place as the user knows it: `file:line`, or a config key.
        what: What is there and what was expected, as one sentence.
        fix: What to type or change, as one sentence; empty where `what` says it all.
        row_id: The row's number (`Row.id`); None where no row came of it, or where it is the whole set's.
        others: Further rows that take part, such as those that this row repeats.
    """

    code: str
    where: str
    what: str
    fix: str = ""
    row_id: int | None = None
    others: tuple[int, ...] = ()
