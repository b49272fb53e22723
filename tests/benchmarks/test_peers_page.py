"""The page of the benchmark against the peers says what its results say."""

import json
from pathlib import Path
from typing import Any

from scripts.benchmarks.peers_page import page, plot

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
RESULTS: dict[str, Any] = json.loads((FOLDER / "peers-h100.json").read_text())


def test_published_page_and_plot_are_those_of_the_published_results() -> None:
    assert (FOLDER / "peers.md").read_text() == page(RESULTS, "peers-h100.json")
    assert (FOLDER / "peers.svg").read_text() == plot(RESULTS["runs"])


def test_rounds_are_shown_as_median_with_their_spread_and_failures_by_name() -> None:
    first = next(run for run in RESULTS["runs"] if run["arm"] == "ftlab qlora")
    second = first | {"round": 1, "tokens_per_s": first["tokens_per_s"] + 100}
    failed = {"round": 1, "arm": "TRL qlora, default", "workload": first["workload"], "error": "out of memory"}
    text = page(RESULTS | {"runs": [first, second, failed]}, "x.json")
    pace = first["tokens_per_s"]
    assert f"| ftlab qlora | {pace + 50:,} | {pace:,} to {pace + 100:,} | 2 |" in text
    assert "Runs that failed: TRL qlora, default." in text
