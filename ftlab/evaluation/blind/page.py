"""The page of a result: what the test says, and every pair of answers with the arms named.

In: a test, its votes and its result. Out: one HTML file without scripts that opens offline.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ftlab.evaluation.blind.binomial import SIGNIFICANCE
from ftlab.evaluation.blind.design import Pairing
from ftlab.evaluation.blind.outcome import Outcome
from ftlab.evaluation.blind.render import render_text
from ftlab.evaluation.blind.result import PairResult, Result
from ftlab.evaluation.blind.sheet import CRITERIA
from ftlab.evaluation.blind.trial import Trial, Verdict
from ftlab.evaluation.blind.wording import QUESTIONS, between, counts, headline, p_value, percent, points, remarks
from ftlab.report.interval import Estimate, Value, interval_plot
from ftlab.report.page import render_page, write_html
from ftlab.report.plot import Bar, bar_plot

_SUMMARY_CHARACTERS = 140
_MARKS = {True: "yes", False: "no", None: "–"}


def write_result(path: Path, trial: Trial, verdicts: Sequence[Verdict], result: Result, *, title: str) -> None:
    """Writes the page.

    Args:
        path: The file.
        trial: The test.
        verdicts: Its votes.
        result: What they say.
        title: What was compared, in one line.
    """
    given: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        given[verdict.pairing.item].append(verdict)
    page = render_page(
        "result.html",
        package="ftlab.evaluation.blind",
        title=title,
        found=any(pair.p_adjusted <= SIGNIFICANCE for pair in result.pairs),
        headline=headline(result),
        pairs=[_pair(pair, len(result.pairs)) for pair in result.pairs],
        remarks=remarks(result),
        facts=_facts(result),
        raters=_raters(result),
        agreement=[("which is better", _alpha(result.alpha))]
        + [(QUESTIONS[name], _alpha(alpha)) for name, alpha in result.alpha_of.items()],
        items=[_item(trial, pairing, given[pairing.item]) for pairing in trial.pairings],
        criteria=[QUESTIONS[criterion] for criterion in CRITERIA],
        test=trial.key.test,
        sealed=trial.key.sealed,
        answers_sha256=trial.key.answers_sha256,
    )
    write_html(path, page)


def _facts(result: Result) -> list[tuple[str, str]]:
    rated = sum(rater.rated > 0 for rater in result.raters.values())
    return [
        (f"{result.asked - result.unrated} of {result.asked}", "items rated"),
        (f"{rated} of {len(result.raters)}", "raters"),
        (f"{result.votes:,}", "votes"),
        (_alpha(result.alpha), "Krippendorff's alpha of the choices"),
        (percent(result.left / (result.left + result.right) if result.left + result.right else None), "chose the left"),
    ]


def _pair(pair: PairResult, pairs: int) -> dict[str, Any]:
    rows = [("better answer", *_cells(pair.outcome), "", "")]
    for criterion, marked in pair.criteria.items():
        shares = [f"{percent(marked.share(arm))} of {marked.marked[arm]}" for arm in (pair.arm, pair.other)]
        rows.append((QUESTIONS[criterion], *_cells(marked.outcome), *shares))
    rows += [(f"{rater} alone", *_cells(outcome), "", "") for rater, outcome in pair.raters.items()]
    numbers = ("won", "tied", "lost", f"{pair.arm} of decided", "95 % interval", "sign test", pair.arm, pair.other)
    return {
        "name": f"{pair.arm} against {pair.other}",
        "counts": counts(pair),
        "adjusted": f"Adjusted for {pairs} pairs: {p_value(pair.p_adjusted)}." if pairs > 1 else "",
        "points": points(pair),
        "columns": [("", False), *((name, True) for name in numbers)],
        "rows": rows,
        "bars": _bars(pair),
        "shares": _shares(pair),
    }


def _bars(pair: PairResult) -> Markup:
    outcomes = {"better answer": pair.outcome}
    outcomes |= {name: marked.outcome for name, marked in pair.criteria.items() if marked.outcome.items}
    outcomes |= {f"{rater} alone": outcome for rater, outcome in pair.raters.items()}
    bars = [Bar(name, (one.wins, one.ties, one.losses), str(one.items)) for name, one in outcomes.items()]
    return bar_plot(bars, (f"{pair.arm} better", "tie", f"{pair.other} better"), colours=(1, 0, 2), x_title="items")


def _shares(pair: PairResult) -> Markup | None:
    outcomes = {"better answer": pair.outcome}
    outcomes |= {name: marked.outcome for name, marked in pair.criteria.items()}
    estimates = [
        Estimate(name, [Value(one.rate, *one.interval)]) for name, one in outcomes.items() if one.rate is not None
    ]
    if not estimates:
        return None
    name = f"{pair.arm} better"
    title = "share of the decided items, with its exact 95 % interval"
    return interval_plot(estimates, [name], colours=(1,), x_title=title, whole=(0.0, 1.0))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    numbers = (str(outcome.wins), str(outcome.ties), str(outcome.losses))
    return (*numbers, percent(outcome.rate), between(outcome), p_value(outcome.p) if outcome.decided else "")


def _raters(result: Result) -> list[tuple[str, ...]]:
    return [
        (name, f"{one.rated} of {result.asked}", str(one.left), str(one.right), p_value(one.side_p), str(one.comments))
        for name, one in result.raters.items()
    ]


def _item(trial: Trial, pairing: Pairing, verdicts: Iterable[Verdict]) -> dict[str, Any]:
    asked, arms = trial.questions[pairing.question], (pairing.first, pairing.second)
    ordered = sorted(verdicts, key=lambda one: one.rating.rater)
    line = " ".join(asked.question.split())
    won = ", ".join(dict.fromkeys(verdict.winner or "tie" for verdict in ordered))
    return {
        "number": pairing.question + 1,
        "summary": line if len(line) <= _SUMMARY_CHARACTERS else f"{line[:_SUMMARY_CHARACTERS]}…",
        "outcome": won or ("same answers" if pairing in trial.same else "not rated"),
        "question": render_text(asked.question),
        "reference": render_text(asked.reference) if asked.reference.strip() else None,
        "answers": [(arm, render_text(trial.shown(pairing, arm))) for arm in arms],
        "votes": [
            {
                "rater": one.rating.rater,
                "winner": one.winner or "tie",
                "left": one.left,
                "marks": [
                    ", ".join(f"{arm} {_MARKS[one.mark(criterion, arm)]}" for arm in arms) for criterion in CRITERIA
                ],
                "comment": one.rating.comment,
            }
            for one in ordered
        ],
    }


def _alpha(alpha: float | None) -> str:
    return "can't be told" if alpha is None else f"{alpha:.2f}"
