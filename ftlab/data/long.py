"""What becomes of a row that is longer than allowed: an error, left out, cut, or split into parts (`data.long_rows`).

In: a row as token ids with its supervised spans, and the limit. Out: the rows that are trained on in its place. No
policy changes what a token that is kept is trained towards, and none invents an end: a cut answer keeps no stop token,
so that nothing teaches the model to stop in the middle.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from ftlab.data.row import SpannedRow

LongRows = Literal["error", "drop", "truncate", "split"]
"""The policies."""

CONTEXT_SHARE = 4
"""A part that isn't its row's first begins with a quarter of the limit in tokens that were trained on before it."""

LONG, DROPPED, TRUNCATED, SPLIT, PARTS, LOST = "long", "dropped", "truncated", "split", "parts", "lost"
"""What is counted: rows over the limit; left out by `drop`; cut; split; the parts made of those; and rows of which
`truncate` or `split` left no supervised token, so that they are left out, too."""


def fit(row: SpannedRow, limit: int, policy: LongRows, counts: "Counter[str]") -> list[SpannedRow]:
    """Makes a row that is over the limit fit.

    `truncate` keeps the first `limit` tokens: the prompt, and as much of the answer as has room, without a stop token.
    `split` makes parts of at most `limit` tokens. Each part behind the first begins with the tokens in front of it
    as context without loss (a quarter of the limit), so every supervised token is trained on once, and the stop
    token in the last part only. Parts without a supervised token are left out.

    Args:
        row: Longer than `limit`.
        limit: The most tokens of a row.
        policy: What to do; `error` is the caller's.
        counts: Takes what was done, by the names of this module.

    Returns:
        The rows to train on; none where the row is left out.
    """
    counts[LONG] += 1
    if policy == "drop":
        counts[DROPPED] += 1
        return []
    parts = [_part(row, 0, limit, 0)] if policy == "truncate" else list(_parts(row, limit))
    kept = [part for part in parts if part.targets_count]
    if not kept:
        counts[LOST] += 1
    elif policy == "truncate":
        counts[TRUNCATED] += 1
    else:
        counts[SPLIT] += 1
        counts[PARTS] += len(kept)
    return kept


def account(counts: "Counter[str]", policy: LongRows, limit: int | None) -> list[str]:
    """Says what became of the rows that were too long.

    Args:
        counts: As `fit` filled them.
        policy: What was done.
        limit: The most tokens of a row.

    Returns:
        One sentence for each thing that happened; none where no row was too long.
    """
    if not counts[LONG]:
        return []
    over = f"{_rows(counts[LONG])} longer than {limit} tokens (data.long_rows={policy})"
    said = [f"{over}: {_done(counts, policy, limit or 0)}."]
    if counts[LOST]:
        said.append(f"{_rows(counts[LOST])} of them left out: no supervised token was left in {limit} tokens.")
    return said


def _done(counts: "Counter[str]", policy: LongRows, limit: int) -> str:
    if policy == "drop":
        return "left out"
    if policy == "truncate":
        return f"{counts[TRUNCATED]} cut at the limit; a cut answer keeps no stop token"
    context = limit // CONTEXT_SHARE
    return (
        f"{counts[SPLIT]} split into {counts[PARTS]} parts; each part behind a row's first begins with {context} "
        "tokens of context without loss"
    )


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _parts(row: SpannedRow, limit: int) -> Iterable[SpannedRow]:
    """Consecutive parts; token `fresh` is the first that no part before has trained on."""
    context = max(limit // CONTEXT_SHARE, 1)
    if limit <= context:
        return
    yield _part(row, 0, limit, 0)
    fresh = limit
    while fresh < len(row):
        start = fresh - context
        yield _part(row, start, min(start + limit, len(row)), fresh)
        fresh = start + limit


def _part(row: SpannedRow, start: int, end: int, fresh: int) -> SpannedRow:
    """Tokens from `start` to `end`, supervised as in the row from `fresh` on."""
    low = max(start, fresh)
    spans = [(max(a, low) - start, min(b, end) - start) for a, b in row.spans if max(a, low) < min(b, end)]
    return SpannedRow(row.id, row.ids[start:end], tuple(spans))
