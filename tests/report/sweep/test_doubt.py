"""What keeps rows from being comparable is said, and only then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.read import read_sweep
from tests.reference.made_sweep import made_card, made_job, made_multirun, made_values

Card = dict[str, Any]


def warnings(
    folder: Path, change: Callable[[Card], Any] | None = None, *, losses: tuple[float, ...] = (0.3, 0.31)
) -> str:
    """The warnings about two methods at three rates, where `change` was done to the cards of lora."""
    number = 0
    for method in ("full", "lora"):
        for rate in ("1e-4", "2e-4", "4e-4"):
            for seed, loss in enumerate(losses, start=1):
                overrides = {"method": method, "optimizer.lr": rate, "seed": str(seed)}
                card = made_card(overrides, made_values(loss + (rate != "2e-4")), number=number)
                if method == "lora" and change:
                    change(card)
                made_job(folder, number, overrides, card)
                number += 1
    return "\n".join(compare(read_sweep(folder)).warnings)


def test_nothing_is_said_about_a_sound_sweep(tmp_path: Path) -> None:
    assert warnings(tmp_path) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.update(total_steps=300), "optimizer steps: full 144; lora 300. Part of their difference"),
        (lambda card: card.update(device="NVIDIA A100"), "hardware: full NVIDIA H100; lora NVIDIA A100. Speed, memory"),
        (lambda card: card["data"]["splits"]["test"].update(rows=9), "tested on: full 62 rows of 4,169 tokens; lora 9"),
        (lambda card: card["data"]["splits"]["train"].update(rows=9), "trained on: full 754 rows of 48,964 tokens; lo"),
        (lambda card: card["model"].update(base="llama"), "base model: full tiny pretrained 8813; lora llama"),
        (lambda card: card["config"].update(evaluation={"name": "none"}), "how they are evaluated: full {"),
        (lambda card: card["config"]["training"].update(batch_rows=4), "rows a step: full 16; lora 4"),
        (lambda card: card["versions"].update(torch="2.11"), "versions of packages"),
        (lambda card: card.update(attempt=2), "2 runs went on after an interruption: time and cost count the last"),
        (lambda card: card["metrics"].update({"test/loss": float("nan")}), "was not measured: lora (seed 1, 2)."),
    ],
)  # fmt: skip
def test_difference_that_was_not_swept_is_said(tmp_path: Path, change: Callable[[Card], Any], said: str) -> None:
    assert said in warnings(tmp_path, change)


def test_data_that_depends_on_the_seed_alone_is_no_difference(tmp_path: Path) -> None:
    for number, (method, seed) in enumerate((method, seed) for method in ("full", "lora") for seed in "123"):
        overrides = {"method": method, "optimizer.lr": "1e-4", "seed": seed}
        card = made_card(overrides, made_values(0.3 + int(seed) / 100), number=number)
        card["data"]["splits"]["test"]["rows"] = int(seed)
        made_job(tmp_path, number, overrides, card)
    assert not any("differ" in warning for warning in compare(read_sweep(tmp_path)).warnings)


def test_rate_at_the_edge_asks_for_a_wider_range(tmp_path: Path) -> None:
    for number, (method, rate, loss) in enumerate(
        (method, rate, loss)
        for method, losses in (("full", (0.3, 0.4, 0.5)), ("lora", (0.5, 0.4, 0.3)))
        for rate, loss in zip(("1e-4", "2e-4", "4e-4"), losses, strict=True)
    ):
        overrides = {"method": method, "optimizer.lr": rate, "seed": "1"}
        made_job(tmp_path, number, overrides, made_card(overrides, made_values(loss)))
    said = compare(read_sweep(tmp_path)).warnings
    assert (
        "full: the best optimizer.lr, 0.0001, is the lowest tried. Widen the range: optimizer.lr=5e-05 may be"
        in said[0]
    )
    assert (
        "lora: the best optimizer.lr, 0.0004, is the highest tried. Widen the range: optimizer.lr=0.0008 may" in said[1]
    )


def test_methods_at_one_rate_are_said_to_be_judged_too_soon(tmp_path: Path) -> None:
    for number, method in enumerate(("full", "lora")):
        made_job(tmp_path, number, {"method": method}, made_card({"method": method}, made_values(0.3), number=number))
    (said,) = compare(read_sweep(tmp_path)).warnings
    assert said.startswith("Each row ran at one learning rate")


def test_memory_of_a_shared_process_is_not_judged(tmp_path: Path) -> None:
    made_multirun(tmp_path, "method=full,lora", "optimizer.lr=1e-4,2e-4,4e-4", "seed=1,2", pool=False)
    said = warnings(tmp_path, lambda card: card.update(device="CPU, 2 threads"))
    assert "All jobs ran in one process" in said
    sentences = " ".join(compare(read_sweep(tmp_path)).verdict)
    assert "peak memory" not in sentences


def test_jobs_side_by_side_on_one_device_are_counted(tmp_path: Path) -> None:
    for number in range(3):
        seed = {"seed": str(number)}
        card = made_card(seed, made_values(0.3 + number, wall_s=1500), number=number, device="CPU, 1 threads")
        made_job(tmp_path, number, seed, card)
    assert "Up to 2 jobs ran side by side on one device" in "\n".join(compare(read_sweep(tmp_path)).warnings)


def test_jobs_whose_times_are_not_known_are_not_said_to_run_side_by_side(tmp_path: Path) -> None:
    card = made_card({"seed": "1"}, {}, status="interrupted", device="CPU, 1 threads", started=None)
    made_job(tmp_path, 0, {"seed": "1"}, card)
    assert "side by side" not in "\n".join(compare(read_sweep(tmp_path)).warnings)


def test_seeds_that_change_nothing_are_said_to_say_nothing(tmp_path: Path) -> None:
    assert "All seeds gave the same loss, so that nothing is known about chance: full, lora." in warnings(
        tmp_path, losses=(0.3, 0.3)
    )


def test_rows_with_fewer_seeds_are_named(tmp_path: Path) -> None:
    jobs = [("full", "1"), ("full", "2"), ("lora", "1")]
    for number, (method, seed) in enumerate(jobs):
        overrides = {"method": method, "seed": seed}
        made_job(tmp_path, number, overrides, made_card(overrides, made_values(0.3 + number / 9), number=number))
    assert "Not all rows have 2 seeds: lora 1." in compare(read_sweep(tmp_path)).warnings


def test_best_of_rows_that_are_rates_at_the_edge_asks_for_a_wider_range(tmp_path: Path) -> None:
    for number, (factor, loss) in enumerate((("0.3", 0.5), ("1", 0.4), ("3", 0.3))):
        overrides = {"training.lr_factor": factor}
        made_job(tmp_path, number, overrides, made_card(overrides, made_values(loss), number=number))
    (said,) = compare(read_sweep(tmp_path)).warnings
    assert said == (
        "The best training.lr_factor, 3, is the highest tried. Widen the range: training.lr_factor=10 may be better."
    )
