"""The doctor against the recorded curves of real runs, healthy ones and ones that were spoiled on purpose."""

import json
from functools import cache
from pathlib import Path

import pytest

from ftlab.evaluation.curve.diagnose import diagnose
from scripts.benchmarks.curves.judge import Judged, curve_of, judge, report, settings_of, with_curve
from scripts.benchmarks.curves.plan import Part, specs

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
PARTS: tuple[Part, ...] = ("chosen by", "set aside", "fresh")
RECORDED = json.loads((FOLDER / "curves.json").read_text())


@cache
def judged() -> tuple[Judged, ...]:
    runs = with_curve(RECORDED)
    return tuple(Judged(run, diagnose(curve_of(run), settings_of(run)), {}) for run in runs)


def of(part: Part) -> tuple[list[Judged], list[Judged]]:
    """Healthy and spoiled runs of a part of the recording."""
    cases = [case for case in judged() if case.part == part]
    healthy = [case for case in cases if case.run["spoil"] == "healthy"]
    return healthy, [case for case in cases if case.run["spoil"] != "healthy"]


def test_recording_holds_every_planned_run_and_enough_of_each_kind() -> None:
    assert {run["name"] for run in RECORDED["runs"]} == {spec.name for spec in specs()}
    kinds = {"rate-high", "rate-low", "shuffled", "masked", "tiny", "poisoned", "frozen"}
    for part in PARTS:
        healthy, spoiled = of(part)
        assert len(healthy) >= 35
        assert len(spoiled) >= 35
        assert {case.run["spoil"] for case in spoiled} == kinds
        assert len({case.run["method"] for case in healthy}) >= 9


@pytest.mark.parametrize("part", PARTS)
def test_no_more_than_two_healthy_runs_are_complained_of(part: Part) -> None:
    alarms = [case.run["name"] for case in of(part)[0] if not case.is_right]
    assert len(alarms) <= 2, alarms


def test_no_more_than_two_of_all_healthy_runs_are_complained_of() -> None:
    alarms = [case.run["name"] for case in judged() if case.run["spoil"] == "healthy" and not case.is_right]
    assert len(alarms) <= 2, alarms


@pytest.mark.parametrize("part", PARTS)
def test_nine_of_ten_spoiled_runs_are_named_rightly(part: Part) -> None:
    spoiled = of(part)[1]
    wrong = [f"{case.run['name']}: {case.diagnosis.verdict}" for case in spoiled if not case.is_right]
    assert len(wrong) <= 0.1 * len(spoiled), wrong


def test_every_alarm_says_what_to_type() -> None:
    for case in judged():
        for finding in case.diagnosis.findings:
            assert finding.evidence
            if finding.severity != "note":
                assert finding.causes
                assert finding.overrides
                assert all("=" in override and "nan" not in override for override in finding.overrides)


def test_page_is_what_the_doctor_says_today() -> None:
    assert (FOLDER / "curves.md").read_text() == report(judge(with_curve(RECORDED)), RECORDED)
