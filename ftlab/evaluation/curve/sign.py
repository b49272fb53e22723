"""`Sign`: one thing that the numbers show, before it is told; and how far a run has come."""

from dataclasses import dataclass, field

from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.finding import Kind, Severity
from ftlab.evaluation.curve.measure import Measures


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that a curve shows.

    Attributes:
        kind: What it is called.
        severity: How bad it is.
        title: In a few words.
        evidence: By which numbers and steps.
        steps: First and last step that show it.
        marks: What ranks the causes: `zero-gradient`, `no-tokens`, `before-rise`, `plateau`, `unclipped`, …
    """

    kind: Kind
    severity: Severity
    title: str
    evidence: str
    steps: tuple[int, int]
    marks: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Case:
    """A curve with all that is known about it.

    Attributes:
        curve: As logged.
        settings: What the run was set to.
        measures: Of the finite part.
    """

    curve: Curve
    settings: Settings
    measures: Measures

    @property
    def last_step(self) -> int:
        """The last step that was logged; where no step has a training loss, that of the last held-out loss."""
        if self.curve.steps:
            return self.curve.steps[-1]
        return self.curve.held_out[-1][0] if self.curve.held_out else 0

    @property
    def progress(self) -> float:
        """The share of the run that is done; 1 where no more is known than the curve."""
        total = self.settings.total_steps
        return min(1.0, self.last_step / total) if total else 1.0

    @property
    def is_whole(self) -> bool:
        """Whether the run is at its end."""
        return self.progress >= 1.0
