"""The doctor at a run's side: it warns once, as soon as it is sure, and leaves the numbers as they are."""

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from ftlab import metric
from ftlab.callbacks.curve import CurveDoctor, told
from ftlab.callbacks.loss import LossLog
from ftlab.data.row import MicroBatch
from ftlab.evaluation.curve.curve import Settings
from ftlab.evaluation.curve.finding import Finding
from ftlab.logger.csv import MetricsFile
from ftlab.logger.wandb import WandbRun
from ftlab.training.loss import sum_nll
from tests.callbacks.watched import watch


def settings(steps: int) -> Settings:
    return Settings(lr=0.01, total_steps=steps, method="lora", rank=4)


class _Alerts(WandbRun):
    """Keeps alerts and starts nothing; `tests/logger` holds that they reach W&B."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.alerts: list[tuple[str, str, str]] = []

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        pass

    def alert(self, title: str, text: str, level: str = "WARN") -> None:
        self.alerts.append((title, text, level))


def _without_gradient(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
    """The real loss, through which no gradient comes."""
    nll = sum_nll(model, micro)
    return nll.detach() + 0.0 * nll


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "ftlab.callbacks.curve"]


def test_frozen_run_is_told_once_early_and_to_wandb(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, doctor = _Alerts(tmp_path), CurveDoctor(settings(9))
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        watch(tmp_path, [doctor], loggers=[MetricsFile(tmp_path), run], steps=9, nll=_without_gradient)
    (line,) = _told(caplog)
    assert line.startswith("The curve after step 6: Nothing is trained: the gradient is zero.")
    assert "Try: method.init_lora_weights=true" in line
    assert [(title, level) for title, _, level in run.alerts] == [("Nothing is trained: the gradient is zero", "ERROR")]
    assert run.alerts[0][1] in line
    assert doctor.diagnosis is not None
    assert doctor.diagnosis.verdict == "flat"


def test_run_that_learns_is_left_in_peace_and_its_numbers_are_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doctor = CurveDoctor(settings(6))
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        watched, _, _ = watch(tmp_path / "with", [LossLog(), doctor], steps=6)
    alone, _, _ = watch(tmp_path / "without", [LossLog()], steps=6)
    assert _told(caplog) == []
    keys = (metric.STEP, metric.TRAIN_LOSS, metric.VAL_LOSS, metric.GRAD_NORM)
    assert [[row.get(key) for key in keys] for row in watched] == [[row.get(key) for key in keys] for row in alone]
    curve = doctor._curve()
    losses = [row[metric.TRAIN_LOSS] for row in alone if metric.TRAIN_LOSS in row]
    assert list(curve.losses) == pytest.approx(losses, rel=1e-6)
    assert [step for step, _ in curve.held_out] == [row[metric.STEP] for row in alone if metric.VAL_LOSS in row]
    assert curve.epochs[-1] == pytest.approx(2.0)
    assert all(tokens > 0 for tokens in curve.tokens)


def test_loss_that_is_no_number_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
        return sum_nll(model, micro) * (float("nan") if model.training else 1.0)

    doctor = CurveDoctor(settings(3))
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        watch(tmp_path, [doctor], steps=3, nll=broken)
    lines = _told(caplog)
    assert len(lines) == 2  # as a warning, and again when it has become fatal
    assert lines[0].startswith("The curve after step 1: Loss or gradient is not a number.")
    assert doctor.diagnosis is not None
    assert doctor.diagnosis.findings[0].severity == "fatal"


def test_resumed_run_goes_on_with_its_curve_and_says_nothing_twice() -> None:
    before = CurveDoctor(settings(40))
    before._rows = dict.fromkeys(range(1, 9), (3.0, 0.0, 0.01, 1.0, 64.0))
    before._held_out = {0: 3.0}
    before._told = {("flat", "fatal")}
    after = CurveDoctor(settings(40))
    assert after.diagnosis is None
    kept = io.BytesIO()
    torch.save(before.state_dict(), kept)
    kept.seek(0)
    after.load_state_dict(torch.load(kept, weights_only=True))
    assert after.diagnosis == before.diagnosis
    assert after._told == {("flat", "fatal")}


def test_finding_is_told_as_sentences() -> None:
    note = Finding("healthy", "note", "Nothing to complain of", "It fell.", (1, 9))
    assert told(note) == "Nothing to complain of. It fell."
    with pytest.raises(ValueError, match=r"`callbacks\.curve\.looks` must be at least 1"):
        CurveDoctor(settings(3), looks=0)
