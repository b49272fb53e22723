"""Weighs findings: which stop training, which only warn, and which the configuration silences.

In: findings and the `check` keys of the config. Out: groups by code, the verdict, the exit code. Nothing is found here.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ftlab.check.codes import CODES
from ftlab.check.finding import Finding
from ftlab.check.report import FindingGroup, Gravity, Outcome
from ftlab.problem import Problem

SHOWN = 20
"""Findings of one code that are kept in full for the report."""

_LISTED = 3
"""Findings with the same words that are listed one by one; of more the first stands for all."""

_ORDER: tuple[Gravity, ...] = ("error", "warning", "note", "silenced")

_STOPPED, _WARNED = 2, 1


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration makes of the codes.

    Attributes:
        strict: Whether warnings alone give exit code 1.
        silence: Codes that aren't reported; where one means that a row can't be used, the row is left out and counted.
        errors: Codes that are errors here, whatever they are elsewhere.
    """

    strict: bool = False
    silence: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()

    def gravity(self, code: str) -> Gravity:
        """Returns what a finding of this code weighs."""
        if code in self.silence:
            return "silenced"
        return "error" if code in self.errors else CODES[code].severity


def check_rules(silence: Iterable[str], errors: Iterable[str]) -> list[Problem]:
    """Returns what is wrong with the codes that `check.silence` and `check.errors` name."""
    named = [(key, code) for key, codes in (("check.silence", silence), ("check.errors", errors)) for code in codes]
    problems = [
        Problem(key, f"must name codes of findings, but '{code}' is none.", _suggestion(code))
        for key, code in named
        if code not in CODES
    ]
    both = sorted(set(silence) & set(errors))
    if both:
        problems.append(Problem("check.errors", f"must not name what check.silence names, but both name {both[0]}."))
    return problems


@dataclass(slots=True)
class Tally:
    """Findings as they come in, by code.

    Args:
        rules: What each code weighs.

    Attributes:
        findings: The first ones of each code.
        counts: How many there are of each code.
        unusable: Rows that can't be trained on, with the finding that says why.
    """

    rules: Rules
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    counts: "Counter[str]" = field(default_factory=Counter)
    unusable: dict[int, Finding] = field(default_factory=dict)
    _rows: dict[str, set[int]] = field(default_factory=dict)

    def add(self, finding: Finding, *, unusable: bool = False) -> None:
        """Takes a finding.

        Args:
            finding: What was found.
            unusable: Whether the row can't be trained on.
        """
        self.counts[finding.code] += 1
        first = self.findings.setdefault(finding.code, [])
        if len(first) < SHOWN:
            first.append(finding)
        if finding.row_id is not None:
            self._rows.setdefault(finding.code, set()).add(finding.row_id)
            if unusable:
                self.unusable.setdefault(finding.row_id, finding)

    def saved(self) -> dict[str, Any]:
        """Returns counts and first findings as plain data, for `restore`."""
        findings = {code: [asdict(finding) for finding in first] for code, first in self.findings.items()}
        return {"counts": dict(self.counts), "findings": findings}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Adds what `saved` returned for the same rows; whose rows were all usable."""
        for code, first in saved["findings"].items():
            self.findings.setdefault(code, []).extend(Finding(**finding) for finding in first)
        self.counts.update(saved["counts"])

    def groups(self) -> tuple[FindingGroup, ...]:
        """Returns the findings by code: errors first, then warnings, notes and what is silenced."""
        made = [self._group(code) for code in sorted(self.findings)]
        return tuple(sorted(made, key=lambda group: _ORDER.index(group.gravity)))

    def outcome(self) -> Outcome:
        """Returns the verdict."""
        found = {self.rules.gravity(code) for code in self.counts}
        return "errors" if "error" in found else "warnings" if "warning" in found else "clean"

    def exit_code(self) -> int:
        """Returns 0, 1 for warnings with `strict`, or 2 for errors."""
        outcome = self.outcome()
        return _STOPPED if outcome == "errors" else _WARNED if outcome == "warnings" and self.rules.strict else 0

    def problems(self) -> Iterator[Problem]:
        """Yields what stops training: the first findings of each code that is an error, and how many more there are."""
        for code, first in sorted(self.findings.items()):
            if self.rules.gravity(code) != "error":
                continue
            same = Counter((finding.what, finding.fix) for finding in first)
            if len(same) == 1 and len(first) > _LISTED:
                others = self.counts[code] - 1
                yield Problem(first[0].where, f"{first[0].what} (The same in {others:,} more.)", first[0].fix, code)
                continue
            yield from (Problem(finding.where, finding.what, finding.fix, code) for finding in first)
            more = self.counts[code] - len(first)
            if more:
                yield Problem("data", f"{more:,} more of this kind: {CODES[code].title}.", "See task=check.", code)

    def _group(self, code: str) -> FindingGroup:
        kind = CODES[code]
        return FindingGroup(
            code=code,
            title=kind.title,
            gravity=self.rules.gravity(code),
            remedy=kind.remedy,
            meaning=kind.meaning,
            findings_count=self.counts[code],
            rows_count=len(self._rows.get(code, ())),
            first=tuple(self.findings[code]),
        )


def _suggestion(code: str) -> str:
    close = difflib.get_close_matches(code.upper(), CODES, n=1, cutoff=0.5)
    by_title = [kind.number for kind in CODES.values() if kind.title.lower() == code.lower()]
    found = (by_title or close)[:1]
    return f"Did you mean {found[0]} ({CODES[found[0]].title})?" if found else "docs/findings.md lists them."
