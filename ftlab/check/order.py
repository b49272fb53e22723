"""Whether the turns of conversations follow each other as templates and training expect.

In: rows. Out: findings FT114-FT117. Whether a turn can be read at all was `ftlab.data.turns`'s to say.
"""

from collections.abc import Iterable, Iterator

from ftlab.check.finding import Finding
from ftlab.data.render import TrainOn
from ftlab.data.row import Row

_SPEAKERS = {"user", "assistant"}


def find_order(rows: Iterable[Row], *, train_on: TrainOn) -> Iterator[Finding]:
    """Finds conversations whose roles are out of turn.

    Args:
        rows: Conversations; plain texts are passed over.
        train_on: Which turns are trained on; with `text` it needs no answer at the end.

    Yields:
        At most one finding of a kind for each row, in the order of the rows.
    """
    for row in rows:
        if row.messages:
            yield from _of_row(row, [message.role for message in row.messages], train_on)


def _of_row(row: Row, roles: list[str], train_on: TrainOn) -> Iterator[Finding]:
    def found(code: str, what: str, fix: str) -> Finding:
        return Finding(code, row.origin, what, fix, row.id)

    if train_on != "text" and roles[-1] != "assistant":
        what = f"the last turn must be the assistant's, but is of role '{roles[-1]}'."
        yield found("FT114", what, "Remove the turns behind the last answer, or set data.train_on=text.")
    elif train_on != "text" and roles[0] == "assistant" and (train_on != "answer" or roles.count("assistant") == 1):
        yield found("FT115", "the conversation begins with an answer.", "Put the question before it.")
    twice = next((place for place in range(1, len(roles)) if _repeats(roles[place - 1], roles[place])), None)
    if twice is not None:
        what = f"turns {twice} and {twice + 1} are both of role '{roles[twice]}'."
        yield found("FT116", what, "Join them, or put in the turn that is missing.")
    if "system" in roles[1:]:
        place = roles.index("system", 1)
        yield found("FT117", f"turn {place + 1} is a system turn, behind others.", "Put it first, and have one only.")


def _repeats(before: str, role: str) -> bool:
    return before == role and role in _SPEAKERS
