"""Plans what the cleaned set lacks and changes, and accounts for every row.

In: findings with their gravity, the splits. Out: a `Cleaning`, and one `SplitAccount` a split. Files are `write`'s.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ftlab.check.codes import CODES
from ftlab.check.finding import Finding
from ftlab.check.report import Gravity, SplitAccount
from ftlab.data.row import Row

UNREADABLE = "unreadable"


@dataclass(slots=True)
class Cleaning:
    """What becomes of the rows that have findings.

    Attributes:
        drops: Rows to leave out, with the first finding that asks for it.
        mends: Rows to change, with what is to be mended.
        lost: Codes of lines that are no rows and have no number.
    """

    drops: dict[int, Finding] = field(default_factory=dict)
    mends: dict[int, list[Finding]] = field(default_factory=dict)
    lost: "Counter[str]" = field(default_factory=Counter)

    def add(self, finding: Finding, gravity: Gravity, *, unusable: bool = False) -> None:
        """Takes a finding.

        Args:
            finding: What was found.
            gravity: What it weighs; a silenced one asks for nothing, unless the row is unusable.
            unusable: Whether the row can't be trained on.
        """
        remedy = "drop" if unusable else "keep" if gravity == "silenced" else CODES[finding.code].remedy
        if finding.row_id is None:
            if unusable and ":" in finding.where:
                self.lost[finding.code] += 1
        elif remedy == "drop":
            self.drops.setdefault(finding.row_id, finding)
        elif remedy == "mend":
            self.mends.setdefault(finding.row_id, []).append(finding)

    def account(self, splits: Mapping[str, Sequence[Row]], changed: Mapping[int, str]) -> Iterator[SplitAccount]:
        """Accounts for every row.

        Args:
            splits: The rows that can be read, by split.
            changed: Rows that mending changes, with the code that decides it.

        Yields:
            One account a split; then that of the lines that reached none, where there are any.
        """
        seen: set[int] = set()
        for name, rows in splits.items():
            hit = {row_id for row_id in _ids(rows) if row_id in self.drops or row_id in changed}
            dropped = Counter(self.drops[row_id].code for row_id in hit if row_id in self.drops)
            mended = Counter(changed[row_id] for row_id in hit if row_id not in self.drops)
            lost, other = dropped.total(), mended.total()
            yield SplitAccount(name, len(rows), len(rows) - lost - other, other, lost, dict(dropped + mended))
            seen |= hit
        unread = Counter(finding.code for row_id, finding in self.drops.items() if row_id not in seen) + self.lost
        if unread:
            yield SplitAccount(UNREADABLE, unread.total(), 0, 0, unread.total(), dict(unread))


def _ids(rows: Iterable[Row]) -> Iterator[int]:
    return (row.id for row in rows)
