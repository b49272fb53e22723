"""What each statistic of the doctor sees, and what it advises; whether it is right is for the recorded runs to tell."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.diagnose import diagnose
from ftlab.evaluation.curve.finding import Diagnosis, Finding
from ftlab.evaluation.curve.measure import difference_noise, rows_of, running_median, slope

SETTINGS = Settings(
    lr=6e-4, epochs=3.0, batch_rows=16, max_grad_norm=1.0, warmup=0.03, method="lora", rank=16, usual_lr=5e-4
)


def falling(steps: int = 100, *, start: float = 4.0, end: float = 0.5, noise: float = 0.1, seed: int = 1) -> Curve:
    """A curve that falls as learning does: fast, then slower, with the scatter of batches."""
    at = np.arange(1, steps + 1)
    level = end + (start - end) * np.exp(-5 * at / steps)
    losses = level * (1 + noise * np.random.default_rng(seed).standard_normal(steps))
    held_out = [(0, start), *((int(step), float(level[step - 1])) for step in at if step % (steps // 10) == 0)]
    return Curve(
        steps=at.tolist(),
        losses=losses.tolist(),
        grad_norms=(1.0 / np.sqrt(at)).tolist(),
        learning_rates=[6e-4] * steps,
        epochs=(3 * at / steps).tolist(),
        held_out=held_out,
    )


def changed(curve: Curve, losses: dict[int, float]) -> Curve:
    """The curve with other losses at some steps."""
    return replace(curve, losses=[losses.get(step, loss) for step, loss in zip(curve.steps, curve.losses, strict=True)])


def with_held_out(curve: Curve, losses: list[float]) -> Curve:
    """The curve with other held-out losses, the first one at step 0."""
    every = curve.steps[-1] // (len(losses) - 1)
    return replace(curve, held_out=[(place * every, loss) for place, loss in enumerate(losses)])


def the(kind: str, found: Diagnosis) -> Finding:
    (finding,) = [finding for finding in found.findings if finding.kind == kind]
    return finding


def test_falling_curve_is_healthy_and_says_from_where_to_where() -> None:
    curve = with_held_out(falling(end=1.0), [4.0, 2.0, 1.2, 1.02, 1.01, 1.0])
    found = diagnose(curve, SETTINGS)
    assert (found.verdict, found.is_alarm) == ("healthy", False)
    assert "held-out loss from 4 to 1" in found.findings[0].evidence


@pytest.mark.parametrize("seed", range(20))
def test_scatter_of_batches_is_no_finding(seed: int) -> None:
    assert not diagnose(falling(noise=0.25, seed=seed), SETTINGS).is_alarm
    assert not diagnose(replace(falling(noise=0.25, seed=seed), held_out=[]), SETTINGS).is_alarm


def long_run(noise: float, seed: int, steps: int = 8000) -> Curve:
    """Batches that differ by a factor, as rows of few tokens do, in a run of many thousand steps."""
    level = 1.2 + 2.5 * np.exp(-5 * np.arange(steps) / steps)
    losses = level * np.exp(noise * np.random.default_rng(seed).standard_normal(steps) - noise**2 / 2)
    return Curve(steps=range(1, steps + 1), losses=losses.tolist())


@pytest.mark.parametrize("noise", [0.15, 0.3])
def test_scatter_is_no_finding_in_long_runs_either(noise: float) -> None:
    """Thousands of looks at the scatter: what is rare in a hundred steps occurs. The first steps scatter most."""
    for seed in range(6):
        found = diagnose(long_run(noise, seed), SETTINGS)
        assert not found.is_alarm, (seed, found.findings[0].evidence)


def test_first_batch_that_was_an_easy_one_makes_no_run_diverge() -> None:
    """Nothing but the first loss tells where the run began: among many runs, some begin two deviations too low."""
    found = [diagnose(long_run(0.3, seed, steps=60), SETTINGS) for seed in range(150)]
    assert sum(one.verdict == "diverging" for one in found) <= 1


def test_what_goes_wrong_in_a_long_run_is_still_seen() -> None:
    losses = np.array(long_run(0.15, 1).losses)
    swings = losses * (1 + 0.5 * np.sin(np.arange(8000) / 300))
    assert diagnose(Curve(range(1, 8001), swings.tolist()), SETTINGS).verdict == "oscillating"
    rising = losses * np.maximum(1, np.arange(8000) / 2000)
    assert diagnose(Curve(range(1, 8001), rising.tolist()), SETTINGS).verdict == "diverging"


def test_still_falling_at_the_end_is_a_note_with_more_epochs() -> None:
    curve = with_held_out(falling(), [4.0, 3.0, 2.4, 2.0, 1.7, 1.4])
    found = diagnose(curve, SETTINGS)
    assert (found.verdict, found.is_alarm) == ("still-falling", False)
    assert found.findings[0].overrides == ("training.epochs=4.5",)
    assert diagnose(curve, replace(SETTINGS, total_steps=500)).verdict == "healthy"  # it goes on anyway


def test_rising_loss_is_diverging_and_the_rate_is_first() -> None:
    rising = changed(falling(), {step: 4.0 + 0.1 * (step - 40) for step in range(40, 101)})
    finding = diagnose(rising, SETTINGS).findings[0]
    assert (finding.kind, finding.severity) == ("diverging", "fatal")
    assert finding.overrides[0] == "optimizer.lr=0.0002"
    assert finding.steps[1] == 100
    far_off = diagnose(rising, replace(SETTINGS, lr=0.05)).findings[0]
    assert far_off.overrides[0] == "optimizer.lr=0.0005"  # back to the method's own


@pytest.mark.parametrize(
    ("scheduler", "warmup", "expected"),
    [
        ("cosine", 0.03, ["scheduler.warmup=0.1"]),
        ("cosine", 0.2, ["scheduler.warmup=0.4"]),
        ("cosine", 0.4, ["scheduler.warmup=0.5"]),
        ("cosine", 0.6, []),  # twice as much would be read as steps
        ("cosine", 30, ["scheduler.warmup=60"]),
        ("constant", 0.0, ["scheduler=constant-with-warmup", "scheduler.warmup=0.1"]),
    ],
)
def test_longer_warm_up_is_one_that_the_schedule_takes(scheduler: str, warmup: float, expected: list[str]) -> None:
    rising = changed(falling(), {step: 4.0 + 0.1 * (step - 40) for step in range(40, 101)})
    overrides = diagnose(rising, replace(SETTINGS, scheduler=scheduler, warmup=warmup)).findings[0].overrides
    assert [override for override in overrides if override.startswith("scheduler")] == expected


def test_burst_in_the_first_steps_is_diverging_though_the_run_came_back() -> None:
    finding = diagnose(changed(falling(), {2: 9.0, 3: 8.0, 4: 7.0, 5: 6.0}), SETTINGS).findings[0]
    assert (finding.kind, finding.severity) == ("diverging", "warning")
    assert finding.steps[0] <= 2


def test_loss_that_gives_back_what_it_had_gained_is_diverging() -> None:
    curve = changed(falling(), dict.fromkeys(range(70, 101), 2.5))
    assert "stands" not in diagnose(curve, SETTINGS).findings[0].evidence
    assert diagnose(curve, SETTINGS).verdict == "diverging"


def test_zero_gradient_is_fatal_and_names_frozen_parameters_first() -> None:
    still = falling(start=4.0, end=4.0)
    found = the("flat", diagnose(replace(still, grad_norms=[0.0] * 100), SETTINGS))
    assert found.severity == "fatal"
    assert found.causes[0].startswith("Frozen parameters")
    early = Curve(steps=range(1, 7), losses=still.losses[:6], grad_norms=[0.0] * 6, held_out=[(0, 4.0)])
    assert diagnose(early, replace(SETTINGS, total_steps=100)).verdict == "flat"  # sure after a few steps


def test_flat_loss_asks_for_data_and_masks_first_then_the_rate_then_frozen_parts_then_the_template() -> None:
    finding = the("flat", diagnose(falling(start=4.0, end=3.97), replace(SETTINGS, lr=5e-7)))
    words = [cause.split(" ")[0] for cause in finding.causes]
    assert words == ["Data", "The", "Frozen", "A"]
    assert finding.overrides[:2] == ("task=check", "optimizer.lr=0.0005")
    assert "1,000 times below" in finding.causes[1]
    assert "fell by 0.7%" in finding.evidence
    far_off = the("flat", diagnose(falling(start=4.0, end=3.97), replace(SETTINGS, lr=0.5)))
    assert far_off.overrides[:2] == ("task=check", "optimizer.lr=0.0005")  # not three times as much


def test_plateau_after_the_first_steps_is_flat() -> None:
    curve = with_held_out(falling(start=2.2, end=1.1), [2.2, 1.3, 1.21, 1.2, 1.2, 1.19, 1.19, 1.2, 1.19, 1.19, 1.19])
    finding = the("flat", diagnose(curve, SETTINGS))
    assert finding.severity == "warning"
    assert finding.overrides[0] == "task=check"
    assert "method.r=64" in finding.overrides


def test_up_and_down_again_and_again_is_oscillating_with_the_rate_first() -> None:
    swings = [4.0, 2.0, 3.2, 1.9, 3.0, 1.8, 3.1, 1.7]
    finding = diagnose(with_held_out(falling(end=1.5), swings), SETTINGS).findings[0]
    assert finding.kind == "oscillating"
    assert finding.overrides[:2] == ("optimizer.lr=0.0002", "training.batch_rows=32")
    assert "rose 3 times: 2 to 3.2" in finding.evidence
    at = np.arange(1, 106)
    train = 2.5 + 1.2 * np.sin(at / 6)
    assert diagnose(Curve(steps=at.tolist(), losses=train.tolist()), SETTINGS).verdict == "oscillating"


def test_single_step_far_above_its_neighbours_is_a_spike_with_its_rows_first() -> None:
    finding = diagnose(changed(falling(), {60: 9.0}), SETTINGS).findings[0]
    assert (finding.kind, finding.steps) == ("spiking", (60, 60))
    assert finding.overrides[:2] == ("task=check", "training.max_grad_norm=0.5")
    assert "training.max_grad_norm=1.0" in diagnose(changed(falling(), {60: 9.0})).findings[0].overrides


def test_held_out_loss_that_rises_while_training_falls_is_over_fitting() -> None:
    curve = with_held_out(falling(), [4.0, 2.0, 1.5, 1.6, 1.8, 2.0])
    finding = the("over-fitting", diagnose(curve, SETTINGS))
    assert finding.steps == (40, 100)
    assert finding.overrides[0] == "training.epochs=1.2"
    full = the("over-fitting", diagnose(curve, replace(SETTINGS, method="full", rank=None, max_steps=100)))
    assert full.overrides[0] == "training.max_steps=40"
    assert "method=lora" in full.overrides


def test_rows_known_by_heart_are_memorised_where_held_out_ones_are_not() -> None:
    heart = falling(end=0.01, noise=0.01)
    found = diagnose(with_held_out(heart, [4.0, 2.0, 1.8, 1.8, 1.8, 1.8]), SETTINGS)
    assert found.verdict == "memorising"
    assert found.is_alarm
    assert diagnose(with_held_out(heart, [4.0, 1.0, 0.3, 0.1, 0.03, 0.011]), SETTINGS).verdict == "still-falling"
    alone = diagnose(changed(replace(heart, held_out=[]), dict.fromkeys(range(60, 101), 0.001)), SETTINGS)
    assert (alone.verdict, alone.is_alarm) == ("memorising", False)


def test_loss_that_is_no_number_is_said_with_the_cause_that_the_numbers_point_to() -> None:
    curve = changed(falling(), {100: math.nan})
    rows = the("non-finite", diagnose(curve, SETTINGS))
    assert (rows.severity, rows.overrides[0]) == ("fatal", "task=check")
    after_rise = changed(falling(), {98: 6.0, 99: 9.0, 100: math.inf})
    assert the("non-finite", diagnose(after_rise, SETTINGS)).overrides[0] == "optimizer.lr=0.0002"
    tokens = replace(curve, tokens=[200.0] * 99 + [0.0])
    assert "Rows without a supervised token" in the("non-finite", diagnose(tokens, SETTINGS)).causes[0]
    passed = diagnose(changed(falling(), {50: math.nan}), SETTINGS)
    assert the("non-finite", passed).severity == "warning"
    nothing = Curve(steps=[1, 2], losses=[math.nan, math.nan], skipped=2)
    assert diagnose(nothing).verdict == "non-finite"


def test_a_few_steps_say_nothing_and_a_flat_start_is_waited_for() -> None:
    assert diagnose(Curve(steps=[1, 2, 3], losses=[3.0, 2.9, 3.1])).verdict == "too-short"
    assert diagnose(Curve(steps=[], losses=[])).verdict == "too-short"
    begun = falling(40, start=4.0, end=4.0)
    assert not diagnose(begun, replace(SETTINGS, total_steps=400)).is_alarm
    assert diagnose(begun, SETTINGS).is_alarm


@pytest.mark.parametrize("held_out", [[], [(step, 0.0) for step in range(0, 61, 5)]])
def test_loss_of_zero_from_the_first_step_is_flat_and_not_known_by_heart(held_out: list[tuple[int, float]]) -> None:
    """What trainers log that make the mean over no token zero."""
    found = diagnose(Curve(steps=range(1, 61), losses=[0.0] * 60, held_out=held_out), SETTINGS)
    assert [finding.kind for finding in found.findings] == ["flat"]
    assert found.findings[0].causes[0].startswith("Data format and masks")


def test_no_numbers_are_too_odd_to_be_looked_at() -> None:
    """Zero, negative, huge and missing losses, held-out ones without training ones: a verdict, and never an error."""
    generator = np.random.default_rng(0)
    odd = [0.0, 0.0, 1e-320, -1.0, 1e300, math.inf, math.nan, 0.5, 2.0, 3.0]
    for count in (0, 1, 3, 16, 40):
        for _ in range(12):
            draws = [generator.choice(odd[: generator.integers(1, 11)], count).tolist() for _ in range(4)]
            losses, norms, epochs, held = draws
            points = list(enumerate(held)) or [(0, math.nan)]
            curve = Curve(range(1, count + 1), losses, grad_norms=norms, epochs=epochs, held_out=points)
            for settings in (None, SETTINGS, replace(SETTINGS, total_steps=count + 9)):
                assert diagnose(curve, settings).to_dict()["findings"]


def test_what_follows_from_a_finding_is_not_said_beside_it() -> None:
    rising = changed(falling(), {step: 4.0 + 0.2 * (step - 40) for step in range(40, 101)})
    found = diagnose(with_held_out(rising, [4.0, 2.0, 4.0, 9.0, 12.0, 16.0]), SETTINGS)
    assert [finding.kind for finding in found.findings] == ["diverging"]


def test_diagnosis_is_plain_data() -> None:
    section = diagnose(changed(falling(), {60: 9.0}), SETTINGS).to_dict()
    assert section["verdict"] == "spiking"
    assert section["findings"][0].keys() == {
        "kind", "severity", "title", "evidence", "steps", "causes", "overrides",
    }  # fmt: skip
    assert section["findings"][0]["steps"] == [60, 60]


def test_curve_refuses_columns_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="`losses` must have one number a step, 2, but has 1"):
        Curve(steps=[1, 2], losses=[1.0])
    with pytest.raises(ValueError, match="`steps` must ascend"):
        Curve(steps=[2, 1], losses=[1.0, 1.0])


def test_noise_is_that_of_the_scatter_whatever_the_trend() -> None:
    scatter = np.random.default_rng(0).normal(0, 0.3, 2000)
    assert difference_noise(scatter) == pytest.approx(0.3, rel=0.05)
    assert difference_noise(scatter + np.linspace(50, 0, 2000)) == pytest.approx(0.3, rel=0.05)
    wild = scatter.copy()
    wild[::10] = 100  # a tenth of the points
    assert difference_noise(wild) < 0.45
    assert difference_noise([1.0, 2.0]) == 0.0


@pytest.mark.parametrize("window", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("count", [1, 2, 10, 11, 30])
def test_running_median_is_that_of_the_steps_around_each_also_at_the_ends(count: int, window: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    before, after = window // 2, window - window // 2
    slowly = [float(np.median(values[max(0, place - before) : place + after])) for place in range(count)]
    assert running_median(values, window).tolist() == slowly


def test_slope_and_medians_are_not_moved_by_wild_points() -> None:
    line = [1.0 - 0.01 * step for step in range(30)]
    line[3] = line[17] = 50.0
    assert slope(range(30), line) == pytest.approx(-0.01)
    assert running_median(np.array([1.0, 1.0, 9.0, 1.0, 1.0]), 3).tolist() == [1.0] * 5
    assert [row.tolist() for row in rows_of(np.array([True, False, True, True]))] == [[0], [2, 3]]
