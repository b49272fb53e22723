"""What a check of the data set came to, as plain values: `verdict` makes it, the terminal and the page draw it.

Only types live here. `CheckReport.to_dict` is what check.json holds.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ftlab.check.codes import Remedy, Severity
from ftlab.check.finding import Finding

Gravity = Severity | Literal["silenced"]
"""How much a kind of finding weighs in this run: its severity as `check.errors` and `check.silence` leave it."""

Outcome = Literal["clean", "warnings", "errors"]


@dataclass(frozen=True, slots=True)
class SplitAccount:
    """What became of all rows of one split. `read` = `kept` + `changed` + `dropped`.

    Attributes:
        split: `train`, `validation`, `test`; or `unreadable`: rows that reached no split, since they are no rows.
        read: Rows that the files hold.
        kept: Rows that the cleaned set has as they are.
        changed: Rows that it has with another text.
        dropped: Rows that it lacks.
        reasons: Rows changed or dropped by the code that decided it, such as `{"FT201": 3}`.
    """

    split: str
    read: int
    kept: int
    changed: int
    dropped: int
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """All findings of one code.

    Attributes:
        code: Such as FT201.
        title: A few words.
        gravity: What it weighs here.
        remedy: What `check.write` does with the row.
        meaning: Why it matters and what to do.
        findings_count: How many were found.
        rows_count: How many rows they hit; 0 where they are the whole set's.
        first: The first ones, in the order of the rows.
    """

    code: str
    title: str
    gravity: Gravity
    remedy: Remedy
    meaning: str
    findings_count: int
    rows_count: int
    first: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LongRowsPolicy:
    """What one way to treat rows over the limit would do.

    Attributes:
        policy: `error`, `drop`, `truncate` or `split`.
        rows: Training rows behind it; 0 for `error` where a row is over the limit, since then nothing is trained.
        tokens: Tokens of those rows.
        lost_tokens: Tokens that go.
        lost_supervised_tokens: Those of them that carry loss.
        what: One sentence.
    """

    policy: str
    rows: int
    tokens: int
    lost_tokens: int
    lost_supervised_tokens: int
    what: str


@dataclass(frozen=True, slots=True)
class TokenReport:
    """Lengths of the encoded training rows, and what training makes of them.

    Attributes:
        tokenizer: Its name.
        rows: Encoded training rows.
        tokens: Tokens of all of them.
        supervised_tokens: Those that carry loss.
        histogram: Bins of row lengths, ascending: (first length, last length, rows); the last one may be wider, so
            that a few long rows don't flatten all.
        percentiles: Row length in tokens by percentile: `{"50": 61, "90": 120, "99": 240}`.
        longest_tokens: Length of the longest row of all splits.
        longest_origin: Where it stands.
        limit_tokens: The longest row allowed; None where nothing limits it.
        over_limit_rows: Rows of all splits over the limit.
        policies: What each way to treat those would do; empty where no row is over the limit.
        padded_full: Share of positions (0 to 1) that are tokens and no padding, in padded micro-batches. Packed ones
            have no padding.
        packed_full: Share of the token budget that packed micro-batches fill.
        padded_micro_batches: Forward passes of one epoch, padded.
        packed_micro_batches: The same, packed.
        batch_rows: Rows of an optimizer step.
        micro_batch_tokens: Token budget of a forward pass.
        steps_per_epoch: Optimizer steps of one pass over the rows.
        total_steps: Optimizer steps of the run.
        epochs: Passes over the rows that these steps come to.
    """

    tokenizer: str
    rows: int
    tokens: int
    supervised_tokens: int
    histogram: tuple[tuple[int, int, int], ...]
    percentiles: dict[str, int]
    longest_tokens: int
    longest_origin: str
    limit_tokens: int | None
    over_limit_rows: int
    policies: tuple[LongRowsPolicy, ...]
    padded_full: float
    packed_full: float
    padded_micro_batches: int
    packed_micro_batches: int
    batch_rows: int
    micro_batch_tokens: int
    steps_per_epoch: int
    total_steps: int
    epochs: float


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The whole check.

    Attributes:
        sources: The files or the hub data set that were read, as the user wrote them.
        row_format: The format of the rows: `alpaca`, `messages`, …
        columns: What each of our fields is called in the data, where it has another name than ours.
        guessed: Whether format or names were guessed and not set.
        accounts: All rows, by split.
        groups: The findings by code: errors first, then warnings, notes and what is silenced.
        tokens: None where the rows couldn't be encoded.
        view: A few rows with their masks, as an HTML fragment; empty where there are none.
        notes: What was decided for the user, one sentence each.
        outcome: The verdict.
        exit_code: 0, 1 (warnings with `check.strict=true`) or 2 (errors).
        written: Files that the check wrote, by what they are: `{"page": "runs/…/check.html"}`.
    """

    sources: tuple[str, ...]
    row_format: str
    columns: dict[str, str]
    guessed: bool
    accounts: tuple[SplitAccount, ...]
    groups: tuple[FindingGroup, ...]
    tokens: TokenReport | None
    view: str
    notes: tuple[str, ...]
    outcome: Outcome
    exit_code: int
    written: dict[str, str]

    def count(self, gravity: Gravity) -> int:
        """Returns how many findings weigh that much."""
        return sum(group.findings_count for group in self.groups if group.gravity == gravity)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON data."""
        return asdict(self)
