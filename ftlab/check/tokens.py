"""Counts the tokens of encoded rows: lengths, supervised share, long rows, padding against packing, steps.

In: lengths and spans of encoded rows, before anything is done about long ones, and the run's settings. Out: a
`TokenReport` and findings FT301-FT304. Nothing is encoded here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlab.check.finding import Finding
from ftlab.check.report import LongRowsPolicy, TokenReport
from ftlab.data.datamodule import steps_per_epoch, total_steps
from ftlab.data.long import LongRows, fit
from ftlab.data.pack import plan_micro_batches
from ftlab.data.row import Layout, Row, SpannedRow

FEW_SUPERVISED = 0.05
FEW_STEPS = 20

_BINS = 16
_USUAL = 99
"""The percentile of the lengths up to which bins are narrow."""
_PACKED_ROWS = 200_000
"""Rows of which the packing is computed; of more the first ones stand for all."""

Lengths = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The settings that turn rows into steps.

    Attributes:
        batch_rows: Rows of an optimizer step.
        micro_batch_tokens: Token budget of a forward pass.
        epochs: Passes over the rows.
        max_steps: Optimizer steps; wins over `epochs`.
    """

    batch_rows: int
    micro_batch_tokens: int
    epochs: float
    max_steps: int | None


def measure(
    lengths: Mapping[str, Lengths],
    supervised: Lengths,
    over: Sequence[SpannedRow],
    longest: Row,
    *,
    tokenizer: str,
    limit: int | None,
    schedule: Schedule,
    epoch_rows: int,
) -> TokenReport:
    """Makes the token report.

    Args:
        lengths: Tokens of each row, by split; `train` has at least one.
        supervised: Tokens that carry loss, of each training row.
        over: The training rows that are longer than `limit`, encoded.
        longest: The longest row of all splits.
        tokenizer: Its name.
        limit: The longest row allowed.
        schedule: How rows become steps.
        epoch_rows: Rows that an epoch takes, all sources together.

    Returns:
        The report.
    """
    train = lengths["train"]
    every = np.concatenate(list(lengths.values()))
    padded = _filling(train, schedule, "padded")
    packed = _filling(train, schedule, "packed")
    steps = total_steps(epoch_rows, schedule.batch_rows, schedule.epochs, schedule.max_steps)
    an_epoch = steps_per_epoch(epoch_rows, schedule.batch_rows)
    return TokenReport(
        tokenizer=tokenizer,
        rows=len(train),
        tokens=int(train.sum()),
        supervised_tokens=int(supervised.sum()),
        histogram=_histogram(train),
        percentiles={str(p): int(np.percentile(train, p, method="nearest")) for p in (50, 90, 99)},
        longest_tokens=int(every.max()),
        longest_origin=longest.origin,
        limit_tokens=limit,
        over_limit_rows=int((every > limit).sum()) if limit else 0,
        policies=tuple(_policies(train, supervised, over, limit)) if limit and over else (),
        padded_full=padded[0],
        packed_full=packed[0],
        padded_micro_batches=padded[1],
        packed_micro_batches=packed[1],
        batch_rows=schedule.batch_rows,
        micro_batch_tokens=schedule.micro_batch_tokens,
        steps_per_epoch=an_epoch,
        total_steps=steps,
        epochs=round(steps / an_epoch, 2),
    )


def find_tokens(report: TokenReport, over: Sequence[tuple[Row, int]], long_rows: str) -> Iterator[Finding]:
    """Finds what is odd about the tokens.

    Args:
        report: What was measured.
        over: The rows that are over the limit, with their lengths.
        long_rows: What the run does with them (`data.long_rows`).

    Yields:
        A finding for each long row, and those of the whole set.
    """
    for row, tokens in over:
        what = f"the row is {tokens:,} tokens long, but at most {report.limit_tokens:,} are allowed"
        if long_rows == "error":
            fix = (
                "Shorten or remove it, or set data.long_rows=truncate, split or drop, or training.max_row_tokens="
                f"{tokens} if the model's context allows that."
            )
            yield Finding("FT301", row.origin, f"{what}.", fix, row.id)
        else:
            yield Finding("FT302", row.origin, f"{what}; data.long_rows={long_rows} applies.", "", row.id)
    share = report.supervised_tokens / report.tokens
    if share < FEW_SUPERVISED:
        what = f"only {share:.1%} of the tokens carry loss ({report.supervised_tokens:,} of {report.tokens:,})."
        yield Finding("FT303", "data", what, "Shorten the prompts, or set data.train_on=assistant.")
    if report.total_steps < FEW_STEPS:
        rows, batch = f"{report.rows:,} training rows", f"training.batch_rows={report.batch_rows}"
        what = f"{rows} make {report.total_steps} optimizer steps at {batch}."
        yield Finding("FT304", "data", what, "Lower training.batch_rows, or raise training.epochs.")


def _histogram(lengths: Lengths) -> tuple[tuple[int, int, int], ...]:
    """Bins of equal width, a round number; the few longest rows share the last one, so that they don't flatten all."""
    shortest, usual, longest = int(lengths.min()), int(np.percentile(lengths, _USUAL, method="nearest")), lengths.max()
    width = _round_up((usual - shortest + 1) / _BINS)
    begin, end = (shortest - 1) // width, (usual - 1) // width
    counts = np.bincount(np.minimum((lengths - 1) // width, end + 1) - begin, minlength=end + 2 - begin)
    bins = [(number * width + 1, (number + 1) * width) for number in range(begin, end + 1)]
    last = [((end + 1) * width + 1, int(longest))] if longest > (end + 1) * width else []
    return tuple((*edges, int(count)) for edges, count in zip([*bins, *last], counts.tolist(), strict=False))


def _round_up(width: float) -> int:
    """The next larger number of the kind 1, 2, 5, 10, 20, 50."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= width:
                return step * power
        power *= 10


def _filling(lengths: Lengths, schedule: Schedule, layout: Layout) -> tuple[float, int]:
    """How full the micro-batches of an epoch are, rows in the file's order, and how many those are."""
    looked_at = lengths[:_PACKED_ROWS]
    used = batches = 0
    for first in range(0, len(looked_at), schedule.batch_rows):
        of_step = looked_at[first : first + schedule.batch_rows].tolist()
        plan = plan_micro_batches(of_step, schedule.micro_batch_tokens, layout)
        batches += len(plan)
        if layout == "packed":
            used += len(plan) * schedule.micro_batch_tokens
        else:
            used += sum(len(rows) * max(of_step[row] for row in rows) for rows in plan)
    share = float(looked_at.sum()) / max(used, 1)
    return min(share, 1.0), round(batches * len(lengths) / len(looked_at))


def _policies(
    lengths: Lengths, supervised: Lengths, over: Sequence[SpannedRow], limit: int
) -> Iterator[LongRowsPolicy]:
    """What each policy would leave of the training rows."""
    fits = lengths <= limit
    rows, tokens = int(fits.sum()), int(lengths[fits].sum())
    all_tokens, all_supervised = int(lengths.sum()), int(supervised.sum())
    rows_are = "1 training row is" if len(over) == 1 else f"{len(over):,} training rows are"
    what = f"Stops: {rows_are} longer than {limit:,} tokens."
    yield LongRowsPolicy("error", 0, 0, all_tokens, all_supervised, what)
    policies: tuple[tuple[LongRows, str], ...] = (
        ("drop", "Leaves the long rows out."),
        ("truncate", "Cuts them at the limit; a cut answer teaches no stop."),
        ("split", "Makes parts of them; each but the first repeats a quarter of the limit as context without loss."),
    )
    for policy, what in policies:
        parts = [part for row in over for part in fit(row, limit, policy, Counter())]
        kept_supervised = int(supervised[fits].sum()) + sum(part.targets_count for part in parts)
        kept_tokens = tokens + sum(map(len, parts))
        yield LongRowsPolicy(
            policy,
            rows + len(parts),
            kept_tokens,
            max(all_tokens - kept_tokens, 0),
            all_supervised - kept_supervised,
            what,
        )
