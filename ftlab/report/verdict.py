"""Is the tuned model better? One sentence with its numbers, from the sections of a run's card."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ftlab import metric
from ftlab.report.folder import RunFolder
from ftlab.report.number import between, counted, number, percent, surprise

BETTER = "Better"

Kind = Literal["clean", "warnings", "errors"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes:
        kind: The colour: `clean` = better, `warnings` = not known or not sure, `errors` = worse or failed.
        sentence: The answer.
        details: What else speaks for or against it, one sentence each.
        forgot: Whether it is surely worse at general texts: the intervals before and after lie apart.
    """

    kind: Kind
    sentence: str
    details: tuple[str, ...]
    forgot: bool


def judge(run: RunFolder) -> Verdict:
    """Says whether a run made the model better.

    Args:
        run: What the run left.

    Returns:
        The verdict: that of the held-out answers; a run that didn't end well says that first.
    """
    forgot = has_forgotten(run.evaluation.get("forgetting") or {})
    kind, answer = _better(run)
    if forgot and answer.startswith(BETTER):
        answer = f"Better at its task, at the cost of what it knew before{answer.removeprefix(BETTER)}"
    details = tuple(_details(run.evaluation))
    status = run.card.get("status", "done")
    if status == "done":
        return Verdict(kind, answer, details, forgot)
    where = _where(run)
    if status == "failed":
        first = f"The run failed{where}: {run.card.get('error', 'no reason is recorded')}"
        return Verdict("errors", first, (answer, *details), forgot)
    said = "has not ended{}; it is running, or was killed."
    if status == "interrupted":
        said = "was interrupted{}; it can go on."
    elif status == "pruned":
        said = "was ended by the search{}: others did better by then."
    return Verdict("warnings", f"The run {said.format(where)}", (answer, *details), forgot)


def _where(run: RunFolder) -> str:
    done, total = run.last_step, run.card.get("total_steps")
    if done is None:
        return " before the first step"
    return f" at step {done:,}" + (f" of {total:,}" if total else "")


def _better(run: RunFolder) -> tuple[Kind, str]:
    answers = (run.evaluation.get("perplexity") or {}).get("answers") or {}
    base, tuned = answers.get("base"), answers.get("tuned")
    if tuned is None:
        base, tuned = _old_metrics(run.card.get("metrics") or {})
    if tuned is None:
        return "warnings", "Whether the model became better was not measured."
    on = _on(tuned)
    if base is None:
        said = f"The tuned model's perplexity {on} is {surprise(tuned)}{between(tuned)}"
        return "warnings", f"{said}; the base's was not measured, so nothing says whether that is better."
    if base.get("loss") is None or tuned.get("loss") is None:
        which = "tuned model" if tuned.get("loss") is None else "base"
        return "errors" if tuned.get("loss") is None else "warnings", f"The loss of the {which} {on} is not a number."
    before, after = (f"{surprise(one)}{between(one)}" for one in (base, tuned))
    way = "fell" if tuned["loss"] < base["loss"] else "rose" if tuned["loss"] > base["loss"] else "did not move,"
    moved = f"{on} perplexity {way} from {before} to {after}"
    difference = (run.evaluation.get("perplexity") or {}).get("difference")
    if difference is None:
        return "warnings", f"Not sure: {moved}. No interval was measured."
    ends = f"{_signed(difference['low'])} to {_signed(difference['high'])}"
    said = f"{moved}; the loss a token changed by {_signed(difference['loss'])} nats ({ends})."
    if difference["high"] < 0:
        return "clean", f"{BETTER}: {said}"
    if difference["low"] > 0:
        return "errors", f"Worse: {said}"
    return "warnings", f"No clear difference: {said} The interval of the change holds 0."


def _on(measured: Mapping[str, Any]) -> str:
    rows, tokens = measured.get("rows"), measured.get("tokens")
    return f"on {rows:,} held-out rows ({tokens:,} answer tokens)" if rows and tokens else "on held-out rows"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _old_metrics(metrics: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The two numbers that a run without sections has."""
    keys = (metric.TEST_LOSS_BASE, metric.TEST_PERPLEXITY_BASE), (metric.TEST_LOSS, metric.TEST_PERPLEXITY)
    found = [{"loss": metrics.get(loss), "perplexity": metrics.get(perplexity)} for loss, perplexity in keys]
    base, tuned = (None if None in one.values() else one for one in found)
    return base, tuned


def has_forgotten(section: Mapping[str, Any]) -> bool:
    """Whether general texts surprise the tuned model more than the base, beyond both intervals.

    Args:
        section: `forgetting` of a run's evaluation; empty = not measured.
    """
    base, tuned = section.get("base") or {}, section.get("tuned") or {}
    return base.get("high") is not None and tuned.get("low") is not None and tuned["low"] > base["high"]


def _details(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """What else is known, one sentence each."""
    form = evaluation.get("format") or {}
    if form.get("tuned") and form["tuned"].get("strict") is not None and form.get("wants") == "json":
        base = (form.get("base") or {}).get("strict")
        asked = counted(form["asked"], form.get("of"), "answers")
        drawn = ", drawn by chance" if "of" in asked else ""
        yield f"Strict JSON in {percent(form['tuned']['strict'])} of {asked}{drawn}; base: {percent(base)}."
    forgetting = evaluation.get("forgetting") or {}
    base, tuned = forgetting.get("base") or {}, forgetting.get("tuned") or {}
    if base.get("perplexity") and tuned.get("perplexity"):
        ratio = tuned["perplexity"] / base["perplexity"]
        moved = f"{'rose' if ratio > 1 else 'fell'} by {percent(abs(ratio - 1))}"
        yield (
            f"On general texts its perplexity {moved if ratio < 2 else f'is {ratio:.3g} times as high'}, from "
            f"{number(base['perplexity'])}{between(base)} to {number(tuned['perplexity'])}{between(tuned)}."
        )
    if base.get("probe") and tuned.get("probe"):
        before, after = base["probe"], tuned["probe"]
        yield (
            f"Of {after['asked']:,} simple questions it answers {after['right']:,} right; the base answered "
            f"{before['right']:,} of {before['asked']:,}."
        )
    blind = evaluation.get("blind") or {}
    if blind.get("rate") is not None:
        arm, other = (*(blind.get("arms") or ()), "tuned", "base")[:2]
        yield (
            f"In the blind test {arm} won {blind['wins']:,}, tied {blind['ties']:,} and lost {blind['losses']:,} of "
            f"{blind['items']:,} pairs against {other}: preferred in {percent(blind['rate'])} of those decided "
            f"({percent(blind['low'])} to {percent(blind['high'])})."
        )
