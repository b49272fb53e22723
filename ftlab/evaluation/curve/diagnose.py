"""`diagnose`: what a curve shows, as findings."""

from collections.abc import Sequence

from ftlab.evaluation.curve import broken, overfit, unsteady
from ftlab.evaluation.curve.advice import finding_of
from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.finding import ORDER, Diagnosis, Finding, Kind
from ftlab.evaluation.curve.measure import Measures
from ftlab.evaluation.curve.sign import Case, Sign

LEAST_STEPS = 10
"""Fewer steps with a loss show nothing but the plainest faults."""

LEAST_LOSSES = 2
"""Fewer have no level at all."""

SIGNS = (
    broken.non_finite, broken.diverging, broken.flat, unsteady.oscillating, unsteady.spiking, overfit.memorising,
    overfit.over_fitting, overfit.still_falling,
)  # fmt: skip
"""What is looked for; the first needs no finite loss."""

CONSEQUENCES: dict[Kind, frozenset[Kind]] = {
    "non-finite": frozenset({"diverging", "flat", "oscillating", "spiking", "still-falling"}),
    "diverging": frozenset({"flat", "oscillating", "spiking", "memorising", "over-fitting", "still-falling"}),
    "flat": frozenset({"oscillating", "still-falling"}),
}
"""What follows from a finding and isn't said beside it."""


def diagnose(curve: Curve, settings: Settings | None = None) -> Diagnosis:
    """Names what a curve shows.

    Of a run that goes on (`settings.total_steps` is ahead) only that is said which later steps can't take back.

    Args:
        curve: The run so far, or as it ended.
        settings: What it was set to; overrides are computed from that.

    Returns:
        At least one finding, by `ORDER`: `healthy` where nothing else is found, `too-short` where nothing can be.
    """
    case = Case(curve, settings or Settings(), Measures.of(curve))
    can_be_measured = len(case.measures.losses) >= LEAST_LOSSES
    signs = [sign for look in (SIGNS if can_be_measured else SIGNS[:1]) if (sign := look(case)) is not None]
    covered = _covered(signs)
    findings = [finding_of(case, sign) for sign in signs if sign.kind not in covered]
    findings.sort(key=lambda finding: ORDER.index(finding.kind))
    return Diagnosis(findings or [_unsuspicious(case)])


def _covered(signs: Sequence[Sign]) -> set[Kind]:
    """The kinds that need not be said, because another one says it."""
    by_kind = {sign.kind: sign for sign in signs}
    if "oscillating" in by_kind and "diverging" in by_kind and by_kind["diverging"].severity != "fatal":
        del by_kind["diverging"]  # it came back, and more than once: the swings say more
        return {"diverging", *_covered(list(by_kind.values()))}
    return {kind for found in by_kind for kind in CONSEQUENCES.get(found, ())}


def _unsuspicious(case: Case) -> Finding:
    m, curve = case.measures, case.curve
    steps = (curve.steps[0], curve.steps[-1]) if curve.steps else (0, 0)
    if len(m.losses) < LEAST_STEPS:
        evidence = f"{len(m.losses)} steps have a loss; {LEAST_STEPS} are the fewest that show anything."
        return Finding("too-short", "note", "Too few steps to say", evidence, steps)
    held = f"; held-out loss from {m.held_out[0]:.3g} to {m.held_out[-1]:.3g}" if len(m.held_out) >= 2 else ""
    evidence = f"Training loss fell from {m.start:.3g} to {m.end:.3g} in {steps[1]:,} steps{held}."
    return Finding("healthy", "note", "Nothing to complain of", evidence, steps)
