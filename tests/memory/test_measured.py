"""The formulas against what an H100 measured (docs/benchmarks/memory-h100.json)."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from ftlab.memory.plan import Plan
from scripts.benchmarks.memory import planned

RESULTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "docs" / "benchmarks" / "memory-h100.json").read_text()
)
PLANS: list[Plan] = [planned(result) for result in RESULTS]


def _off(*, fitted: bool | None = None, device: bool = False) -> list[float]:
    pairs = [
        (plan.total_bytes, result["device_used_bytes"]) if device else (plan.tensor_bytes, result["peak_bytes"])
        for plan, result in zip(PLANS, RESULTS, strict=True)
        if fitted is None or result["fitted"] == fitted
    ]
    return [plan / measured - 1 for plan, measured in pairs]


def test_measurements_span_methods_shapes_levels_budgets_and_dropout() -> None:
    assert len(RESULTS) >= 24
    words = {word for result in RESULTS for word in result["overrides"].split()}
    assert {"model=llama3-8b", "model=llama3.2-1b", "method=full", "method=lora", "method=qlora"} <= words
    assert "method.lora_dropout=0.05" in words
    assert {"none", "norms", "mlp", "all", "16"} <= {result["recompute"] for result in RESULTS}
    assert {2048, 4096, 8192, 16384, 32768} <= {result["tokens"] for result in RESULTS}


@pytest.mark.parametrize("fitted", [True, False])
def test_planned_peaks_are_within_7_percent_at_the_median_and_15_at_worst(fitted: bool) -> None:
    off = [abs(value) for value in _off(fitted=fitted)]
    assert statistics.median(off) <= 0.07
    assert max(off) <= 0.15


def test_device_use_is_planned_as_closely() -> None:
    off = _off(device=True)
    assert statistics.median(map(abs, off)) <= 0.07
    assert max(map(abs, off)) <= 0.15


def test_no_plan_falls_short_by_more_than_its_margin() -> None:
    for plan, result in zip(PLANS, RESULTS, strict=True):
        assert result["device_used_bytes"] <= plan.total_bytes * 1.03


def test_nothing_that_was_called_fitting_ran_out_of_memory() -> None:
    chosen = [result for result in RESULTS if result["tokens"] is None]
    assert len(chosen) >= 4  # the plan chose, and the process was held to the card's size
    assert not any("out_of_memory" in result for result in RESULTS)
    assert all(result["device_used_bytes"] <= result["plan"]["device_bytes"] for result in chosen)


def test_trained_parameters_are_counted_exactly() -> None:
    for plan, result in zip(PLANS, RESULTS, strict=True):
        assert plan.job.trained == result["trained_parameters"]


def test_parts_that_ran_fused_are_those_the_plan_reckons_with() -> None:
    for plan, result in zip(PLANS, RESULTS, strict=True):
        notes = " ".join(result["notes"])
        assert ("attention fused" in notes) == plan.job.fused.attention
        assert ("MLP fused" in notes) == plan.job.fused.mlp
        assert ("residual fused" in notes) == plan.job.fused.norms
