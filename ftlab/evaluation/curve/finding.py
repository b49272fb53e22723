"""`Finding` and `Diagnosis`: what the doctor says, as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "non-finite", "diverging", "flat", "oscillating", "spiking", "over-fitting", "memorising", "still-falling",
    "healthy", "too-short",
]  # fmt: skip
Severity = Literal["fatal", "warning", "note"]

ORDER: tuple[Kind, ...] = (
    "non-finite", "diverging", "flat", "oscillating", "spiking", "memorising", "over-fitting", "still-falling",
    "healthy", "too-short",
)  # fmt: skip
"""The kinds by how much they matter: the first one found is the verdict."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a curve shows.

    Attributes:
        kind: Its name.
        severity: fatal = the run is worth nothing as it is; warning = it can be better; note = good to know.
        title: What it is, in a few words.
        evidence: By which numbers and steps, in a sentence or two.
        steps: First and last step that show it.
        causes: What usually is behind it, the likeliest first.
        overrides: What to type to try it, in the order of the causes: `optimizer.lr=6e-5`, `task=check`.
    """

    kind: Kind
    severity: Severity
    title: str
    evidence: str
    steps: tuple[int, int]
    causes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that a curve shows.

    Attributes:
        findings: At least one, by `ORDER`.
    """

    findings: Sequence[Finding]

    @property
    def verdict(self) -> Kind:
        """The kind of the finding that matters most."""
        return self.findings[0].kind

    @property
    def is_alarm(self) -> bool:
        """Whether something has to be changed."""
        return any(finding.severity != "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The section `curve` of a run card's evaluation."""
        findings = [
            {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(finding).items()}
            for finding in self.findings
        ]
        return {"verdict": self.verdict, "findings": findings}
