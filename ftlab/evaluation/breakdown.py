"""Perplexity of base and tuned side by side: over all rows, by source, by length, and their difference.

In: the sums of each row (`ftlab.evaluation.perplexity`). Out: plain data, as the run card holds it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftlab.evaluation.bootstrap import interval
from ftlab.evaluation.perplexity import Figure, RowSums, figure

SHORTEST_BUCKET_TOKENS = 64
"""Rows up to this length are one bucket; each further bucket is twice as long."""


def section(
    base: RowSums | None, tuned: RowSums | None, sources: Sequence[tuple[str, int, int]] = ()
) -> dict[str, Any] | None:
    """Puts both models side by side, as the run card and `evaluation.json` hold them.

    Args:
        base: The base's sums, if they were taken.
        tuned: The tuned model's, of the same rows.
        sources: Where rows come from: name, first id and end id (exclusive).

    Returns:
        Plain data: `answers` and `text` over all rows; `sources` and `lengths` on the answers, each with its `text`;
        and the `difference` of the loss on the answers, tuned less base, with its paired interval. None where nothing
        was measured.
    """
    if base is None and tuned is None:
        return None
    both = {"base": base, "tuned": tuned}
    known = tuned if tuned is not None else base
    assert known is not None
    return {
        "answers": {name: _answers(rows) for name, rows in both.items()},
        "text": {name: _text(rows) for name, rows in both.items()},
        "sources": list(_groups(both, _by_source(known, sources))),
        "lengths": list(_groups(both, _by_length(known))),
        "difference": None if base is None or tuned is None else _difference(base, tuned),
    }


def _answers(rows: RowSums | None) -> dict[str, Any] | None:
    return None if rows is None else _dict(figure(rows.answer_nll, rows.answer_tokens))


def _text(rows: RowSums | None) -> dict[str, Any] | None:
    return None if rows is None else _dict(figure(rows.text_nll, rows.text_tokens))


def _dict(found: Figure | None) -> dict[str, Any] | None:
    return None if found is None else found.to_dict()


def _groups(
    both: dict[str, RowSums | None], groups: Iterable[tuple[str, NDArray[np.bool_]]]
) -> Iterator[dict[str, Any]]:
    """Figures of groups of rows, of those that have rows with an answer."""
    for name, chosen in groups:
        parts = {arm: None if rows is None else rows.at(chosen) for arm, rows in both.items()}
        figures = {arm: _answers(rows) for arm, rows in parts.items()}
        if any(figures.values()):
            yield {"name": name, **figures, "text": {arm: _text(rows) for arm, rows in parts.items()}}


def _by_source(rows: RowSums, sources: Sequence[tuple[str, int, int]]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The rows of each source; a name may stand there several times, for several ranges."""
    for name in dict.fromkeys(name for name, _, _ in sources):
        ranges = [(rows.ids >= first) & (rows.ids < end) for other, first, end in sources if other == name]
        yield name, np.any(ranges, axis=0)


def _by_length(rows: RowSums) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    low, high = 0, SHORTEST_BUCKET_TOKENS
    while low < rows.lengths.max(initial=0):
        yield f"{low + 1}–{high} tokens", (rows.lengths > low) & (rows.lengths <= high)
        low, high = high, 2 * high


def _difference(base: RowSums, tuned: RowSums) -> dict[str, float] | None:
    """Tuned less base, on the same resampled rows."""
    scored = tuned.answer_tokens > 0
    gain = (tuned.answer_nll - base.answer_nll)[scored]
    values_R2 = np.stack([gain, tuned.answer_tokens[scored].astype(np.float64)], axis=1)
    ends = interval(values_R2, lambda sums: sums[:, 0] / sums[:, 1]) if np.isfinite(gain).all() else None
    if ends is None:
        return None
    return {"loss": float(gain.sum() / values_R2[:, 1].sum()), "low": ends[0], "high": ends[1]}
