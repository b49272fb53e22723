"""What a comparison says in words is what its numbers are, and no more than they allow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlab import metric
from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison
from ftlab.report.sweep.read import read_sweep
from tests.reference.made_sweep import made_card, made_job, made_multirun, made_values

FULL: Mapping[str, float] = {"peak_bytes": 8e9, "tokens_per_s": 4000.0, "trainable_parameters": 5_000_000}
LORA: Mapping[str, float] = {"peak_bytes": 4e9, "tokens_per_s": 5000.0, "trainable_parameters": 500_000}
QLORA: Mapping[str, float] = {"peak_bytes": 2.48e9, "tokens_per_s": 3200.0, "trainable_parameters": 500_000}
SOME = (0.248, 0.250, 0.252)


def written(folder: Path, rows: Mapping[str, tuple[Sequence[float], Mapping[str, Any]]]) -> Comparison:
    """Methods with their losses by seed and their other values, each at three learning rates."""
    number = 0
    for method, (losses, others) in rows.items():
        for rate, more in (("1e-4", 0.1), ("2e-4", 0.0), ("4e-4", 0.1)):
            for seed, loss in enumerate(losses, start=1):
                overrides = {"method": method, "optimizer.lr": rate, "seed": str(seed)}
                values = made_values(loss + more, **others)
                made_job(folder, number, overrides, made_card(overrides, values, number=number))
                number += 1
    return compare(read_sweep(folder))


def test_row_that_is_as_good_says_what_it_keeps_saves_and_when_to_choose_it(tmp_path: Path) -> None:
    same = {metric.GENERAL_LOSS: 1.4}
    rows = {"full": (SOME, {**FULL, **same}), "qlora": ((0.254, 0.249, 0.262), {**QLORA, **same})}
    verdict = written(tmp_path, rows).verdict
    assert verdict[0] == (
        "full has the lowest held-out loss, 0.250 (perplexity 1.284; the base's is 134.3); qlora can't be told from it "
        "with 3 seeds."
    )
    assert verdict[1] == "full is the first row, which the others are held against. Choose it when time is short."
    assert verdict[2] == (
        "qlora keeps 99.9 % of full's improvement over the base, with 31 % of its peak memory at 0.80 times its speed, "
        "training 10 % as many weights; its held-out loss is +0.005 nats from full's (−0.009 to +0.019; p = 0.26): no "
        "difference was found. Choose it when memory is short."
    )


def test_row_that_is_worse_beyond_chance_is_called_so(tmp_path: Path) -> None:
    found = written(tmp_path, {"full": (SOME, FULL), "qlora": ((0.478, 0.480, 0.4821), QLORA)})
    assert found.verdict[0].endswith(
        "all others are worse by more than chance (p ≤ 0.05, paired t test over seeds, Holm)."
    )
    assert "keeps 95.1 % of full's improvement" in found.verdict[2]
    assert "p < 0.001): worse. Choose it when memory is short or what it knew" in found.verdict[2]
    assert found.rows[0].choose.startswith("choose it when quality counts most or time is short")


def test_one_seed_says_nothing_about_chance(tmp_path: Path) -> None:
    verdict = written(tmp_path, {"full": ((0.25,), FULL), "lora": ((0.26,), LORA)}).verdict
    assert verdict[0].endswith("whether that is more than chance is not known.")
    assert verdict[1] == "1 seed a row: nothing can be said about chance. Add seed=1,2,3."
    assert "its held-out loss is +0.010 nats from full's, on 1 seed." in verdict[3]


def test_seeds_that_change_nothing_say_nothing_about_chance(tmp_path: Path) -> None:
    verdict = written(tmp_path, {"full": ((0.25,) * 3, FULL), "lora": ((0.26,) * 3, LORA)}).verdict
    assert verdict[0].endswith("whether that is more than chance is not known.")
    assert "+0.010 nats from full's with each of 3 seeds: chance is not known." in verdict[2]


def test_row_of_no_loss_at_all_is_the_best(tmp_path: Path) -> None:
    verdict = written(tmp_path, {"full": (SOME, FULL), "lora": ((0.0, 0.0, 0.0), LORA)}).verdict
    assert verdict[0].startswith("lora has the lowest held-out loss, 0.000")


def test_row_of_one_seed_beside_tested_ones_is_not_left_out(tmp_path: Path) -> None:
    rows = {"full": (SOME, FULL), "lora": ((0.254, 0.249, 0.262), LORA), "qlora": ((0.4,), QLORA)}
    assert (
        written(tmp_path, rows)
        .verdict[0]
        .endswith("lora can't be told from it with 3 seeds; nothing is known about chance for qlora.")
    )


def test_two_seeds_are_said_to_be_few(tmp_path: Path) -> None:
    verdict = written(tmp_path, {"full": ((0.25, 0.24), FULL), "lora": ((0.26, 0.27), LORA)}).verdict
    assert verdict[1].startswith("2 seeds a row: only large differences can be told from chance.")


def test_row_for_which_nothing_speaks_names_the_better_one(tmp_path: Path) -> None:
    rows = {"full": (SOME, FULL), "lora": ((0.4, 0.401, 0.402), {**FULL, "peak_bytes": 9e9, metric.GENERAL_LOSS: 1.6})}
    found = written(tmp_path, rows)
    assert found.rows[1].choose == "nothing that can be compared here speaks for it: full is at least as good"
    assert found.rows[0].choose == "nothing that can be compared here speaks against it"


def test_row_that_is_best_at_nothing_and_beaten_by_none_is_a_middle_way(tmp_path: Path) -> None:
    rows = {
        "full": (SOME, {"peak_bytes": 8e9, "tokens_per_s": 4000.0}),
        "lora": ((0.30, 0.301, 0.302), {"peak_bytes": 4e9, "tokens_per_s": 4000.0}),
        "qlora": ((0.40, 0.401, 0.402), {"peak_bytes": 2e9, "tokens_per_s": 4000.0, metric.GENERAL_LOSS: 1.0}),
    }
    assert (
        written(tmp_path, rows).rows[1].choose
        == "choose it as a middle way: less memory than full, lower loss than qlora"
    )


def test_forgetting_names_least_and_most_with_their_questions(tmp_path: Path) -> None:
    rows = {
        "full": (SOME, {metric.GENERAL_LOSS: 1.5, metric.GENERAL_PROBE_RATE: 0.1}),
        "lora": (SOME, {metric.GENERAL_LOSS: 0.7}),
    }
    assert written(tmp_path, rows).verdict[-1] == (
        "On general texts lora forgets least (+0.100 nats; simple questions right: 85 % before, 30 % after), full most "
        "(+0.900 nats; simple questions right: 85 % before, 10 % after)."
    )


def test_row_worse_than_the_base_is_called_so(tmp_path: Path) -> None:
    verdict = written(tmp_path, {"full": (SOME, FULL), "lora": ((5.5, 5.6, 5.7), LORA)}).verdict
    assert verdict[2].startswith("lora is worse than the base, which full improves on, with 50 %")


def test_first_row_without_improvement_gives_no_shares(tmp_path: Path) -> None:
    found = written(tmp_path, {"full": ((5.0, 5.1, 5.2), FULL), "lora": (SOME, LORA)})
    assert [row.kept for row in found.rows] == [None, None]
    assert "lora has a held-out loss of 0.250, with 50 % of its peak memory" in found.verdict[2]


def test_rows_tested_on_other_rows_are_not_ranked(tmp_path: Path) -> None:
    for number, method in enumerate(("full", "lora")):
        card = made_card({"method": method}, made_values(0.3 + number), number=number)
        card["data"]["splits"]["test"]["rows"] = 10 + number
        made_job(tmp_path, number, {"method": method}, card)
    verdict = compare(read_sweep(tmp_path)).verdict
    assert verdict[0].startswith("Which row is best can't be said")
    assert not any("improvement" in sentence or "nats from" in sentence for sentence in verdict)


def test_nothing_done_is_said(tmp_path: Path) -> None:
    made_multirun(tmp_path, "method=full,lora")
    made_job(tmp_path, 0, {"method": "full"}, made_card({"method": "full"}, {}, status="failed", error="no memory"))
    found = compare(read_sweep(tmp_path))
    assert found.verdict == ("No run is done: there is nothing to compare yet.",)
    assert [(job.status, job.error) for job in found.not_done] == [
        ("failed", "no memory"),
        ("missing", "it was never started"),
    ]


def test_no_finite_loss_is_said(tmp_path: Path) -> None:
    nan = float("nan")
    found = written(tmp_path, {"full": ((nan, nan), FULL), "lora": ((nan, nan), LORA)})
    assert found.verdict[0] == "No row has a finite held-out loss: nothing says which is best."


def test_row_without_runs_is_not_left_out(tmp_path: Path) -> None:
    made_multirun(tmp_path, "method=full,lora", "optimizer.lr=1e-4,2e-4,4e-4", "seed=1,2,3")
    found = written(tmp_path, {"full": (SOME, FULL)})
    assert "lora: no run of its 9 is done, so that nothing is known of it." in found.verdict


def test_many_rows_are_told_in_part_and_counted(tmp_path: Path) -> None:
    for number in range(15):
        overrides = {"method.r": str(number + 1)}
        made_job(tmp_path, number, overrides, made_card(overrides, made_values(0.3 + number / 100), number=number))
    verdict = compare(read_sweep(tmp_path)).verdict
    assert "7 more rows are in the table." in verdict
    assert sum(sentence.startswith("r=") for sentence in verdict) == 8 + 1  # and the best one, in the first sentence
