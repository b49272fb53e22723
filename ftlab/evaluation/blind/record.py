"""Every vote with its arms named, one a line: for the CSV file and the W&B table. In: verdicts. Out: plain values."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlab.evaluation.blind.sheet import CRITERIA
from ftlab.evaluation.blind.trial import Trial, Verdict

_ACTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""


def vote_rows(trial: Trial, verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Lists votes with their arms named.

    Args:
        trial: The test.
        verdicts: Its votes.

    Returns:
        A row a vote, all with the same columns, in the order of questions, items and raters.
    """
    ordered = sorted(verdicts, key=lambda one: (one.pairing.question, one.pairing.item, one.rating.rater))
    return [_row(trial, verdict) for verdict in ordered]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as a CSV file, whole or not at all.

    Args:
        path: The file.
        rows: At least one. Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    temporary.replace(path)


def _row(trial: Trial, verdict: Verdict) -> dict[str, Any]:
    asked = trial.questions[verdict.pairing.question]
    marks = {
        f"{criterion}_{side}": verdict.mark(criterion, arm)
        for criterion in CRITERIA
        for side, arm in (("left", verdict.left), ("right", verdict.right))
    }
    return {
        "question": verdict.pairing.question + 1,
        "item": verdict.pairing.item,
        "rater": verdict.rating.rater,
        "winner": verdict.winner or "tie",
        "choice": verdict.rating.choice,
        "left_arm": verdict.left,
        "right_arm": verdict.right,
        **marks,
        "comment": verdict.rating.comment,
        "at": verdict.rating.at,
        "origin": asked.origin,
        "asked": asked.question,
        "left_answer": trial.shown(verdict.pairing, verdict.left),
        "right_answer": trial.shown(verdict.pairing, verdict.right),
    }


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_ACTS) else value
