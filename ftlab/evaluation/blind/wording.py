"""What a result means, in sentences: the same for terminal and page. In: a `Result`. Out: text."""

from collections.abc import Iterator

from ftlab.evaluation.blind.binomial import SIGNIFICANCE
from ftlab.evaluation.blind.outcome import Outcome
from ftlab.evaluation.blind.result import PairResult, Result, detectable
from ftlab.report.sweep.significance import holm

QUESTIONS = {"terminology": "terminology right", "reasoning": "reasoning sound", "format": "format kept"}
"""What a mark of each criterion says."""

_TENTATIVE, _RELIABLE = 0.667, 0.8
"""Below the first no conclusion should rest on the votes, from the second on any may (Krippendorff, 2004, "Content
Analysis", section 11.4.2)."""


def percent(share: float | None) -> str:
    """Returns a share in per cent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def p_value(p: float) -> str:
    """Returns a p-value with what can be read from it."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def between(outcome: Outcome) -> str:
    """Returns the exact interval of the share of wins; nothing where nothing is decided."""
    low, high = outcome.interval
    return f"{percent(low)} to {percent(high)}" if outcome.decided else ""


def points(pair: PairResult) -> str:
    """Returns the mean points of an item, and how far they would move with other items."""
    mean, ends = pair.points
    if ends is None:
        return f"{percent(mean)} of every item, which leaves a bootstrap over items nothing to vary"
    return f"{percent(mean)}, 95 % bootstrap interval over items {percent(ends[0])} to {percent(ends[1])}"


def headline(result: Result) -> str:
    """Says in one sentence what the test found: of two arms who is better, of more how many pairs differ."""
    if not result.pairs:
        return "No pair has a vote yet."
    if len(result.pairs) > 1:
        found = sum(pair.p_adjusted <= SIGNIFICANCE for pair in result.pairs)
        return f"{found} of {len(result.pairs)} pairs differ more than chance allows for."
    (pair,) = result.pairs
    outcome = pair.outcome
    if outcome.p > SIGNIFICANCE:
        return f"No difference between {pair.arm} and {pair.other} was found."
    better, worse = (pair.arm, pair.other) if outcome.wins > outcome.losses else (pair.other, pair.arm)
    return f"{better} is better than {worse}."


def counts(pair: PairResult) -> str:
    """Says how often an arm won, and how sure its share is."""
    one = pair.outcome
    said = f"{pair.arm} won {one.wins}, tied {one.ties} and lost {one.losses} of {one.items} items against {pair.other}"
    if not one.decided:
        return f"{said}: nothing is decided."
    return (
        f"{said}: {percent(one.rate)} of the decided ones (95 % interval {between(one)}), sign test {p_value(one.p)}."
    )


def remarks(result: Result) -> list[str]:
    """Says what one has to know to believe the result, one sentence each."""
    return [*_coverage(result), *_agreement(result), *_sides(result), *_sensitivity(result), *_made(result)]


def _coverage(result: Result) -> Iterator[str]:
    if result.unrated:
        yield f"{result.unrated} of {result.asked} items have no vote and are left out."
    for name, rater in result.raters.items():
        if rater.rated < result.asked:
            done = "nothing" if not rater.rated else f"{rater.rated} of {result.asked} items"
            yield f"{name} has rated {done}."
    if any(rater.rated < result.asked for rater in result.raters.values()):
        yield "Who sees this result before rating the rest is no longer blind."
    if same := sum(pair.same for pair in result.pairs):
        are = (
            "item has the same answer twice and is a tie"
            if same == 1
            else "items have the same answer twice and are ties"
        )
        yield f"{same} {are} without being asked."


def _agreement(result: Result) -> Iterator[str]:
    if result.alpha is None:
        few = sum(rater.rated > 0 for rater in result.raters.values()) < 2
        why = "that takes two raters" if few else "no item has two votes, or all votes are the same"
        yield f"Agreement between raters can't be told: {why}."
        return
    reading = (
        "reliable" if result.alpha >= _RELIABLE else "enough for tentative conclusions" if result.alpha >= _TENTATIVE
        else "too little to rest a conclusion on a single rater"
    )  # fmt: skip
    yield f"Krippendorff's alpha of the choices is {result.alpha:.2f}: {reading}."


def _sides(result: Result) -> Iterator[str]:
    chosen = result.left + result.right
    if not chosen:
        return
    shown = f"The left side was chosen {result.left} times of {chosen} ({p_value(result.side_p)})"
    adjusted = zip(result.raters, holm(rater.side_p for rater in result.raters.values()), strict=True)
    one_sided = [name for name, p in adjusted if p <= SIGNIFICANCE]
    if result.side_p <= SIGNIFICANCE or one_sided:
        who = f" by {', '.join(one_sided)}" if one_sided else ""
        yield f"{shown}: a side is favoured{who}, which blurs every difference but favours no arm."
    else:
        yield f"{shown}: no sign that a side is favoured."


def _sensitivity(result: Result) -> Iterator[str]:
    """For what was decided, and for all items of a test of two arms, as if there had been no tie."""
    decided = {pair.outcome.decided for pair in result.pairs}
    for items in sorted(decided | ({result.asked} if len(result.arms) == 2 else set())):
        yield sensitivity(items)


def sensitivity(items: int) -> str:
    """Says what difference a number of decided items can find.

    >>> sensitivity(50)
    '50 decided items find a difference in 80 % of the cases where one arm wins 70 % of them in truth (33 must be won).'

    Args:
        items: Items that are no ties.
    """
    found = detectable(items)
    if found["rate"] is None:
        return f"{items} decided items are too few to find any difference."
    return (
        f"{items} decided items find a difference in 80 % of the cases where one arm wins {percent(found['rate'])} "
        f"of them in truth ({found['wins']} must be won)."
    )


def _made(result: Result) -> Iterator[str]:
    for arm, kinds in result.stripped.items():
        if kinds:
            taken = ", ".join(f"{kind} of {count}" for kind, count in sorted(kinds.items()))
            yield f"Taken out of the answers of {arm}: {taken}."
    for arm, count in result.cut.items():
        if count:
            yield f"{count} answer{'' if count == 1 else 's'} of {arm} reached the longest length and ended there."
