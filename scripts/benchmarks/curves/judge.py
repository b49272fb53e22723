"""Lets the doctor read the recorded curves, and counts what it names rightly.

What counts was fixed before the doctor had seen a curve: `ACCEPTED`, by the verdict alone (the first finding).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.diagnose import diagnose
from ftlab.evaluation.curve.finding import ORDER, Diagnosis
from ftlab.optimizer.schedule import build_schedule
from scripts.benchmarks.curves.plan import RATES, Part, part

ACCEPTED: Mapping[str, tuple[str, ...]] = {
    # Far too high: the loss rises and stays up, jumps about, spikes, or isn't a number any more. `flat` doesn't count:
    # a run whose loss stands above where it began has diverged, and must be called so.
    "rate-high": ("diverging", "oscillating", "spiking", "non-finite"),
    "rate-low": ("flat",),
    # Answers that don't follow from the questions: nothing general can be learned after the first steps, or, seen often
    # enough, single rows are.
    "shuffled": ("flat", "over-fitting", "memorising"),
    # A step without a supervised token has no mean: 0/0.
    "masked": ("non-finite",),
    "tiny": ("over-fitting", "memorising"),
    "poisoned": ("spiking",),
    "frozen": ("flat",),
}
"""The verdicts that name a spoil rightly. A healthy run is named rightly when no finding is a warning or fatal."""

PARTS: tuple[tuple[str, Part, str], ...] = (
    ("Odd seeds", "chosen by", "All thresholds were chosen by these runs."),
    (
        "Even seeds",
        "set aside",
        "Left alone while thresholds were chosen, and opened three times, never with a false alarm. At first 40 of 47"
        " spoiled runs were named rightly (85.1%): a spoil that the odd seeds did not have, answers shuffled for eight"
        " passes, was missed six times of six. So 12 runs were added, that both halves have every spoil, and the sign"
        " that training and held-out loss part was added by the odd seeds: 47 of 53 (88.7%). Then that sign was made"
        " simpler, by the odd seeds again: the table. Its figure is no longer that of runs that no one had seen.",
    ),
    (
        "Fresh seeds",
        "fresh",
        "The settings of the even seeds with seeds that no one had seen, recorded after the last threshold was chosen,"
        " and opened once: the figure to go by.",
    ),
)
"""The parts of the recording."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded run and what the doctor says of it.

    Attributes:
        run: As recorded.
        diagnosis: Of the whole curve.
        early: Kinds of which the doctor warned while the run went on, each with its first step.
    """

    run: Mapping[str, Any]
    diagnosis: Diagnosis
    early: Mapping[str, int]

    @property
    def part(self) -> Part:
        """What the run is there for."""
        return part(self.run["seed"])

    @property
    def is_right(self) -> bool:
        """Whether it is named rightly."""
        if self.run["spoil"] == "healthy":
            return not self.diagnosis.is_alarm
        return self.diagnosis.verdict in ACCEPTED[self.run["spoil"]]


def with_curve(recorded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the runs of a recording that have a curve."""
    return [run for run in recorded["runs"] if "losses" in run]


def judge(runs: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """Diagnoses every run, whole and at each tenth of it, as the callback does."""
    return [_judged(run) for run in runs]


def curve_of(run: Mapping[str, Any], steps: int | None = None) -> Curve:
    """Returns a recorded curve.

    Args:
        run: As recorded.
        steps: Only so many; None = all.
    """
    losses = _numbers(run["losses"][:steps])
    schedule = {key: value for key, value in run["scheduler"].items() if key != "name"}
    factor = build_schedule(run["scheduler"]["name"], total_steps=run["total_steps"], **schedule)
    return Curve(
        steps=range(1, len(losses) + 1),
        losses=losses,
        tokens=run["tokens"][:steps],
        learning_rates=[run["lr"] * factor(step) for step in range(len(losses))],
        grad_norms=_numbers(run["grad_norms"][:steps]),
        epochs=[step * run["batch_rows"] / run["train_rows"] for step in range(1, len(losses) + 1)],
        held_out=[(step, math.nan if loss is None else loss) for step, loss in run["held_out"] if step <= len(losses)],
        skipped=sum(not math.isfinite(loss) for loss in losses),
    )


def settings_of(run: Mapping[str, Any]) -> Settings:
    """Returns what a recorded run was set to."""
    return Settings(
        lr=run["lr"],
        max_steps=run["total_steps"],
        batch_rows=run["batch_rows"],
        max_grad_norm=1.0,
        warmup=run["scheduler"]["warmup"],
        total_steps=run["total_steps"],
        method=run["method"],
        usual_lr=RATES[run["method"]],
    )


def _judged(run: Mapping[str, Any]) -> Judged:
    settings, total = settings_of(run), len(run["losses"])
    early: dict[str, int] = {}
    for tenth in range(1, 10):
        steps = tenth * total // 10
        if steps:
            for finding in diagnose(curve_of(run, steps), settings).findings:
                if finding.severity != "note":
                    early.setdefault(finding.kind, steps)
    return Judged(run, diagnose(curve_of(run), settings), early)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def table(judged: Sequence[Judged]) -> list[str]:
    """Returns the confusion table in Markdown: a line a spoil, a column a verdict."""
    kinds = [kind for kind in ORDER if any(case.diagnosis.verdict == kind for case in judged)]
    lines = [f"| what was done | runs | {' | '.join(kinds)} | named rightly |", "|---" * (len(kinds) + 3) + "|"]
    for spoil in ("healthy", *ACCEPTED):
        cases = [case for case in judged if case.run["spoil"] == spoil]
        verdicts = Counter(case.diagnosis.verdict for case in cases)
        cells = [str(verdicts[kind] or "") for kind in kinds]
        right = sum(case.is_right for case in cases)
        lines.append(f"| {spoil} | {len(cases)} | {' | '.join(cells)} | {right} of {len(cases)} |")
    return lines


def report(judged: Sequence[Judged], recorded: Mapping[str, Any]) -> str:
    """Returns the result as a page in Markdown.

    Args:
        judged: All runs with a curve.
        recorded: The whole recording: device, versions, failed runs.
    """
    failed = [run for run in recorded["runs"] if "losses" not in run]
    versions = ", ".join(f"{name} {number}" for name, number in recorded["versions"].items())
    lines = [
        "# What the curve doctor says of real runs",
        "",
        f"{len(judged)} runs of the embedded model through ftlab's own training path, recorded on {recorded['device']}"
        f" ({versions}); the curves are in `curves.json`. Healthy runs go over nine methods, ranks 2 to 64, rates of"
        " 0.5 to 2 times the method's own, batches of 4 to 32 rows, four schedules and five sets of rows. The others"
        " are spoiled on purpose.",
        "",
        "    python -m scripts.benchmarks.curves record --workers 14 --device cuda",
        "    python -m scripts.benchmarks.curves judge",
        "",
        "## What counts as named rightly",
        "",
        "By the verdict alone, the first finding; fixed before the doctor saw a curve.",
        "",
        "| what was done | verdicts that name it |",
        "|---|---|",
        "| healthy | no warning and nothing fatal: `healthy`, `still-falling` |",
        *(f"| {spoil} | {', '.join(f'`{kind}`' for kind in kinds)} |" for spoil, kinds in ACCEPTED.items()),
    ]
    for name, which, words in PARTS:
        cases = [case for case in judged if case.part == which]
        lines += ["", f"## {name}", "", words, "", *table(cases), "", *_counts(cases)]
    wrong = [case for case in judged if not case.is_right]
    lines += ["", "## All that was named wrongly", "", *([_told(case) for case in wrong] or ["Nothing."])]
    lines += ["", "## During the run", "", *_early(judged)]
    if failed:
        lines += ["", "## Runs that could not be recorded", "", *(f"- `{r['name']}`: {r['failed']}" for r in failed)]
    return "\n".join(lines) + "\n"


def counts(judged: Iterable[Judged]) -> tuple[int, int, int, int]:
    """Returns false alarms, healthy runs, spoiled runs named rightly, spoiled runs."""
    cases = list(judged)
    healthy = [case for case in cases if case.run["spoil"] == "healthy"]
    spoiled = [case for case in cases if case.run["spoil"] != "healthy"]
    right = sum(case.is_right for case in spoiled)
    return sum(not case.is_right for case in healthy), len(healthy), right, len(spoiled)


def _counts(judged: Sequence[Judged]) -> list[str]:
    alarms, healthy, right, spoiled = counts(judged)
    share = f" ({right / spoiled:.1%})" if spoiled else ""
    return [
        f"False alarms: {alarms} of {healthy} healthy runs. Named rightly: {right} of {spoiled} spoiled runs{share}."
    ]


def _told(case: Judged) -> str:
    finding = case.diagnosis.findings[0]
    return f"- `{case.run['name']}` ({case.run['detail']}; {case.part}): `{finding.kind}`. {finding.evidence}"


def _early(judged: Sequence[Judged]) -> list[str]:
    """How soon the doctor warns, looking at every tenth of a run, and what it takes back."""
    healthy = [case for case in judged if case.run["spoil"] == "healthy"]
    loud = [case for case in healthy if case.early]
    lines = [
        "The doctor looks at what there is of a curve at each tenth of the run, as the callback does.",
        f"{len(loud)} of {len(healthy)} healthy runs are warned of on the way"
        + (": " + ", ".join(f"`{case.run['name']}` ({', '.join(case.early)})" for case in loud) if loud else "")
        + ".",
        "",
        "| what was done | warned of before the end | in the median after |",
        "|---|---|---|",
    ]
    for spoil, kinds in ACCEPTED.items():
        cases = [case for case in judged if case.run["spoil"] == spoil]
        shares = sorted(
            min(step for kind, step in case.early.items() if kind in kinds) / case.run["total_steps"]
            for case in cases
            if set(case.early) & set(kinds)
        )
        middle = f"{shares[len(shares) // 2]:.0%} of the run" if shares else "–"
        lines.append(f"| {spoil} | {len(shares)} of {len(cases)} | {middle} |")
    return lines
