"""Long curves are thinned without losing a spike, and smoothed by what is there."""

from pathlib import Path

import numpy as np
import pytest

from ftlab import metric
from ftlab.report.curves import STRETCHES, curves, events, running_mean, thinned
from ftlab.report.folder import Column, read_run
from tests.reference.made_run import made_card, made_loss, write_run


def _column(values: list[float]) -> Column:
    return Column(np.arange(1.0, len(values) + 1), np.array(values))


def test_short_curves_keep_every_point() -> None:
    column = _column([3.0, float("nan"), 1.0])
    assert [step for step, _ in thinned(column)] == [1, 2, 3]
    assert thinned(column)[2] == (3, 1.0)


def test_long_curves_keep_the_extremes_of_every_stretch() -> None:
    values = np.sin(np.arange(500_000.0))
    values[123_456], values[400_001] = 99.0, -99.0
    points = thinned(Column(np.arange(1.0, 500_001), values))
    assert len(points) <= 2 * STRETCHES
    assert (123_457, 99.0) in points
    assert (400_002, -99.0) in points
    steps = [step for step, _ in points]
    assert steps == sorted(steps)
    assert max(np.diff(steps)) <= 2 * 500_000 / STRETCHES


def test_a_stretch_without_a_number_breaks_the_line() -> None:
    values = np.ones(100_000)
    values[40_000:60_000] = np.nan
    assert any(value is None for _, value in thinned(Column(np.arange(100_000.0), values)))


def test_the_running_mean_takes_the_finite_values_before_it() -> None:
    found = running_mean(np.array([1.0, 3.0, np.nan, 5.0, np.inf, 7.0]), 3)
    assert found.tolist() == pytest.approx([1, 2, 2, 4, 5, 6])
    assert np.isnan(running_mean(np.array([np.nan, 1.0]), 2)[0])


def test_thinning_and_its_measure_are_said(tmp_path: Path) -> None:
    metrics = read_run(write_run(tmp_path, made_card(), steps=3000)).metrics
    assert len(metrics[metric.TRAIN_LOSS]) == 3000
    assert "Thinned: of 3,000 values the least and the largest of each of 300 stretches" in curves(metrics)[0].words
    assert curves({}) == []


def test_events_are_where_their_counts_grow(tmp_path: Path) -> None:
    found = {event.name: list(event.places) for event in events(read_run(write_run(tmp_path, made_card())).metrics)}
    assert found == {"out of memory": [40], "skipped": [100], "resumed": [81], "not finite": [100]}


def test_columns_hold_what_was_logged(tmp_path: Path) -> None:
    loss = read_run(write_run(tmp_path, made_card(), steps=50)).metrics[metric.TRAIN_LOSS]
    assert loss.steps.tolist() == list(range(1, 51))
    assert loss.values[41] == pytest.approx(made_loss(42))
