"""Rows, choices and numbers of a comparison are what the runs say, worked out here by other means."""

import json
from collections.abc import Mapping, Sequence
from math import exp, inf, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from ftlab import metric
from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison, Row
from ftlab.report.sweep.read import join, read_sweep
from tests.reference.made_sweep import made_card, made_job, made_multirun, made_sweep, made_values

T_TWO_DEGREES = 4.302653
"""Two-sided 5 % point of Student's t with two degrees of freedom, from a table."""

LOSSES = {
    ("full", "1e-4"): (0.40, 0.41, 0.39), ("full", "2e-4"): (0.250, 0.256, 0.244),
    ("lora", "1e-4"): (0.261, 0.268, 0.259), ("lora", "2e-4"): (0.30, 0.31, 0.29),
    ("qlora", "1e-4"): (0.60, 0.61, 0.62), ("qlora", "2e-4"): (0.249, 0.257, 0.243),
}  # fmt: skip
PEAKS = {"full": 8e9, "lora": 4e9, "qlora": 2e9}


def write(folder: Path, losses: Mapping[tuple[str, str], Sequence[float]], **others: Any) -> Path:
    number = 0
    for (method, rate), values in losses.items():
        for seed, loss in enumerate(values, start=1):
            overrides = {"method": method, "optimizer.lr": rate, "seed": str(seed)}
            made = {**made_values(loss, peak_bytes=PEAKS.get(method, 1e9)), **others}
            made_job(folder, number, overrides, made_card(overrides, made, number=number))
            number += 1
    return folder


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(read_sweep(write(tmp_path_factory.mktemp("sweep"), LOSSES)), price_per_hour=3.0)


def row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


def test_methods_make_rows_and_each_takes_its_best_learning_rate(comparison: Comparison) -> None:
    assert (comparison.by, comparison.chosen_by) == (("method",), ("optimizer.lr",))
    assert [one.name for one in comparison.rows] == ["full", "lora", "qlora"]
    assert [one.chosen["optimizer.lr"] for one in comparison.rows] == ["0.0002", "0.0001", "0.0002"]
    assert [one.values["learning_rate"].mean for one in comparison.rows] == [2e-4, 1e-4, 2e-4]
    assert [[choice.settings["optimizer.lr"] for choice in one.choices] for one in comparison.rows] == [
        ["0.0001", "0.0002"]
    ] * 3
    assert {(one.done, one.asked) for one in comparison.rows} == {(6, 6)}


def test_interval_is_the_mean_and_its_reach_over_seeds(comparison: Comparison) -> None:
    for name, losses in (("full", LOSSES["full", "2e-4"]), ("lora", LOSSES["lora", "1e-4"])):
        found, reach = row(comparison, name).values["loss"], T_TWO_DEGREES * stdev(losses) / sqrt(3)
        assert found.count == 3
        assert (found.mean, found.low, found.high) == pytest.approx(
            (mean(losses), mean(losses) - reach, mean(losses) + reach)
        )
        perplexity = row(comparison, name).values["perplexity"]
        assert (perplexity.mean, perplexity.low) == pytest.approx((exp(mean(losses)), exp(mean(losses) - reach)))


def test_difference_is_paired_by_seed_and_adjusted_for_both_rows(comparison: Comparison) -> None:
    for name, key in (("lora", ("lora", "1e-4")), ("qlora", ("qlora", "2e-4"))):
        pairs = [one - other for one, other in zip(LOSSES[key], LOSSES["full", "2e-4"], strict=True)]
        found = row(comparison, name).difference
        assert found
        reach = T_TWO_DEGREES * stdev(pairs) / sqrt(3)
        assert (found.mean, found.low, found.high) == pytest.approx(
            (mean(pairs), mean(pairs) - reach, mean(pairs) + reach), abs=1e-8
        )
        t = mean(pairs) / (stdev(pairs) / sqrt(3))
        assert found.p == pytest.approx(1 - abs(t) / sqrt(t * t + 2))  # the closed form for two degrees of freedom
    lora, qlora = (row(comparison, name).difference for name in ("lora", "qlora"))
    assert lora
    assert qlora
    assert lora.p
    assert qlora.p
    assert lora.p_holm == pytest.approx(2 * lora.p)  # the smaller of two
    assert qlora.p_holm == pytest.approx(max(qlora.p, 2 * lora.p))
    assert row(comparison, "full").difference is None


def test_quality_kept_and_ratios_are_against_the_first_row(comparison: Comparison) -> None:
    full, lora = (mean(LOSSES[key]) for key in (("full", "2e-4"), ("lora", "1e-4")))
    assert row(comparison, "lora").kept == pytest.approx((4.9 - lora) / (4.9 - full))
    assert row(comparison, "full").kept == 1.0
    assert row(comparison, "qlora").ratios["peak_bytes"] == 0.25
    assert row(comparison, "qlora").ratios["tokens_per_s"] == 1.0


def test_cost_is_the_price_of_one_run(comparison: Comparison) -> None:
    assert row(comparison, "lora").values["cost"].mean == pytest.approx(75 / 3600 * 3.0)
    assert "cost" in [column.key for column in comparison.columns]
    assert all(column.key != "cost" for column in compare(read_sweep(comparison.folder)).columns)


def test_rate_is_chosen_on_validation_rows_not_on_those_it_is_judged_by(tmp_path: Path) -> None:
    for number, (rate, on_validation, on_test) in enumerate((("1e-4", 0.3, 0.5), ("2e-4", 0.4, 0.2))):
        overrides = {"method": "lora", "optimizer.lr": rate, "seed": "1"}
        card = made_card(overrides, made_values(on_test, val_loss=on_validation))
        made_job(tmp_path, number, overrides, card)
        other = overrides | {"method": "full"}
        made_job(tmp_path, number + 2, other, made_card(other, made_values(0.3)))
    lora = row(compare(read_sweep(tmp_path)), "lora")
    assert lora.chosen == {"optimizer.lr": "0.0001"}
    assert lora.values["loss"].mean == 0.5


def test_rate_that_diverged_is_not_chosen_and_stays_in_the_list(tmp_path: Path) -> None:
    losses = {("lora", "1e-4"): (0.5, 0.5), ("lora", "2e-4"): (0.1, inf), ("full", "1e-4"): (0.3, 0.3)}
    lora = row(compare(read_sweep(write(tmp_path, losses))), "lora")
    assert lora.chosen == {"optimizer.lr": "0.0001"}
    assert [choice.loss and choice.loss.mean for choice in lora.choices] == [0.51, inf]


def test_row_without_a_done_job_stays_with_no_numbers(tmp_path: Path) -> None:
    write(tmp_path, {("full", "1e-4"): (0.3, 0.3)})
    made_multirun(tmp_path, "method=full,lora", "optimizer.lr=1e-4", "seed=1,2")
    found = compare(read_sweep(tmp_path))
    lora = row(found, "lora")
    assert (lora.done, lora.asked, lora.values, lora.chosen) == (0, 2, {}, {})
    assert [job.name for job in found.not_done] == ["#2", "#3"]
    assert found.counts == {"done": 2, "missing": 2}


def test_seed_that_one_row_lacks_is_left_out_of_pairs(tmp_path: Path) -> None:
    found = compare(read_sweep(write(tmp_path, {("full", "1e-4"): (0.3, 0.4), ("lora", "1e-4"): (0.5,)})))
    difference = row(found, "lora").difference
    assert difference
    assert difference.mean == pytest.approx(0.2)
    assert (difference.pairs, difference.p) == (1, None)


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    found = compare(read_sweep(write(tmp_path, {("full", "1e-4"): (0.3,)})))
    assert (found.rows[0].values["loss"].low, found.rows[0].values["loss"].count) == (None, 1)


def test_learning_rates_make_rows_where_nothing_else_was_swept(tmp_path: Path) -> None:
    found = compare(read_sweep(write(tmp_path, {("full", "1e-4"): (0.3, 0.4), ("full", "2e-4"): (0.5, 0.4)})))
    assert [one.name for one in found.rows] == ["lr=0.0001", "lr=0.0002"]


def test_rows_are_made_by_any_key_that_is_named(comparison: Comparison) -> None:
    sweep = read_sweep(comparison.folder)
    by_both = compare(sweep, ["method", "optimizer.lr"])
    assert [one.name for one in by_both.rows][:2] == ["full · lr=0.0001", "full · lr=0.0002"]
    assert not by_both.rows[0].choices
    by_rate = compare(sweep, ["optimizer.lr"])
    assert [one.chosen for one in by_rate.rows] == [{"method": "lora"}, {"method": "qlora"}]
    assert [one.name for one in compare(sweep, []).rows] == ["all"]
    with pytest.raises(ValueError, match=r"none has method\.rank"):
        compare(sweep, ["method.rank"])


def test_key_that_one_folder_does_not_name_is_read_from_its_cards(tmp_path: Path) -> None:
    write(tmp_path / "a", {("full", "2e-4"): (0.3,), ("lora", "2e-4"): (0.4,)})
    single = tmp_path / "b" / "0-qlora"
    made_job(tmp_path / "b", 0, {"logger": "csv"}, made_card({}, made_values(0.5)))
    found = compare(join([read_sweep(tmp_path / "a"), read_sweep(single)]))
    assert [(one.name, one.done) for one in found.rows] == [("full", 1), ("lora", 1), ("qlora", 1)]
    assert found.by == ("method",)


def test_later_run_of_the_same_seed_counts(tmp_path: Path) -> None:
    overrides = {"method": "lora", "seed": "1"}
    made_job(tmp_path / "a", 0, overrides, made_card(overrides, made_values(0.5), number=0))
    made_job(tmp_path / "b", 0, overrides, made_card(overrides, made_values(0.4), number=9))
    found = compare(join([read_sweep(tmp_path / "b"), read_sweep(tmp_path / "a")]))
    assert (found.rows[0].values["loss"].mean, found.rows[0].repeated) == (0.4, 1)
    assert any("1 run with the same settings and seed" in warning for warning in found.warnings)


def test_validation_loss_stands_in_where_test_rows_were_not_measured(tmp_path: Path) -> None:
    found = compare(read_sweep(write(tmp_path, {("full", "1e-4"): (0.3,)}, **{metric.TEST_LOSS: None})))
    assert found.rows[0].values["loss"].mean == 0.31
    assert any("Test rows were not measured" in warning for warning in found.warnings)


def test_document_holds_everything_and_no_number_that_json_lacks(tmp_path: Path) -> None:
    folder = write(tmp_path, {("full", "1e-4"): (0.3, inf), ("lora", "1e-4"): (0.3, 0.3)})
    document = json.loads(json.dumps(compare(read_sweep(folder)).to_dict(), allow_nan=False))
    assert document["format"] == 1
    assert document["rows"][0]["values"]["loss"]["mean"] is None
    assert document["rows"][0]["jobs"] == ["0-full", "1-full"]
    assert document["jobs"][0]["overrides"]["seed"] == "1"
    assert "config" not in document["jobs"][0]


def test_no_job_of_a_large_sweep_is_lost(tmp_path: Path) -> None:
    asked = made_sweep(tmp_path, ["full", "lora"], ["1e-4", "2e-4", "4e-4"], range(1, 12))
    found = compare(read_sweep(tmp_path))
    assert asked == 66 == len(found.jobs) == sum(found.counts.values()) == sum(one.asked for one in found.rows)
    assert {job.status for job in found.not_done} == {"failed", "interrupted", "running", "missing"}
    assert sum(one.done for one in found.rows) == found.counts["done"]


def test_search_makes_rows_of_names_alone_and_finds_the_best_trial(tmp_path: Path) -> None:
    trials = [("lora", "8", 0.4), ("lora", "16", 0.3), ("qlora", "32", 0.35), ("qlora", "64", 0.5)]
    for number, (method, rank, loss) in enumerate(trials):
        overrides = {"method": method, "method.r": rank, "training.lr_factor": f"0.{number + 1}37"}
        made_job(tmp_path, number, overrides, made_card(overrides, made_values(loss), number=number))
    grid = compare(read_sweep(tmp_path))
    assert len(grid.rows) == 4
    (tmp_path / "study.journal").write_text("")
    found = compare(read_sweep(tmp_path))
    assert [(one.name, one.chosen["method.r"]) for one in found.rows] == [("lora", "16"), ("qlora", "32")]
    only = compare(read_sweep(tmp_path), [])
    assert only.verdict[0] == (
        "The best of 4 settings is method=lora method.r=16 training.lr_factor=0.237: held-out loss 0.300 "
        "(perplexity 1.350; the base's is 134.3)."
    )


def test_seeds_alone_make_one_row_with_an_interval(tmp_path: Path) -> None:
    found = compare(read_sweep(write(tmp_path, {("dora", "1e-4"): (0.3, 0.4, 0.5)})))
    assert [(one.name, one.values["loss"].count) for one in found.rows] == [("dora", 3)]
    assert found.verdict[0].endswith("there is no other row to hold it against.")
