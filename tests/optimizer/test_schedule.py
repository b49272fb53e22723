"""Schedules against their formulas."""

import math

import pytest

from ftlab.optimizer.schedule import NAMES, build_schedule, steps_of
from ftlab.problem import InputError


def test_cosine_follows_formula() -> None:
    factor = build_schedule("cosine", total_steps=100, warmup=10, min_lr_ratio=0.1)
    for step in range(10, 101):
        expected = 0.1 + 0.9 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2
        assert factor(step) == pytest.approx(expected, abs=1e-12)


def test_linear_follows_formula() -> None:
    factor = build_schedule("linear", total_steps=50, min_lr_ratio=0.2)
    assert [factor(step) for step in (0, 25, 50)] == pytest.approx([1.0, 0.6, 0.2])


def test_wsd_is_stable_then_falls_to_the_minimum() -> None:
    factor = build_schedule("wsd", total_steps=100, warmup=0.1, decay=0.2, min_lr_ratio=0.5)
    assert {factor(step) for step in range(9, 81)} == {1.0}
    assert [factor(step) for step in (85, 90, 100)] == pytest.approx([0.875, 0.75, 0.5])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "constant"])
def test_warmup_climbs_to_the_full_rate(name: str) -> None:
    factor = build_schedule(name, total_steps=40, warmup=4)
    assert [factor(step) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


@pytest.mark.parametrize("name", ["constant", "constant-with-warmup"])
def test_constant_never_falls(name: str) -> None:
    factor = build_schedule(name, total_steps=40, warmup=4)
    assert {factor(step) for step in range(4, 41)} == {1.0}


def test_constant_has_no_warmup() -> None:
    assert build_schedule("constant", total_steps=40, warmup=4)(0) == 1.0


@pytest.mark.parametrize(("amount", "steps"), [(0.0, 0), (0.25, 50), (0.999, 200), (1, 1), (30, 30)])
def test_steps_of_reads_fractions_and_steps(amount: float, steps: int) -> None:
    assert steps_of(amount, total_steps=200) == steps


def test_warmup_of_the_whole_run_never_divides_by_zero() -> None:
    factor = build_schedule("cosine", total_steps=3, warmup=3)
    assert [factor(step) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])


def test_build_schedule_names_every_fault_at_once() -> None:
    with pytest.raises(InputError) as caught:
        build_schedule("cosin", total_steps=0, warmup=-1, min_lr_ratio=2)
    assert [problem.where for problem in caught.value.problems] == [
        "scheduler.name",
        "training.max_steps",
        "scheduler.warmup",
        "scheduler.min_lr_ratio",
    ]
    assert "must be one of cosine, linear, constant, constant-with-warmup, wsd, but is 'cosin'" in str(caught.value)
