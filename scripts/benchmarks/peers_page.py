"""Writes the page of the benchmark against the peers: table, ratios and plot, from the results of `peers`.

usage: python -m scripts.benchmarks.peers_page docs/benchmarks/peers-h100.json

Out: `peers.md` and `peers.svg` beside it.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.peers import ARMS, DENSE, LENGTHS, RATIOS

TARGETS = {
    "default against Unsloth's default": 1.6,
    "default against TRL's default": 2.2,
    "best against best": 1.14,
    "packed instruction lengths": 2.2,
    "LoRA on a 16-bit base": 1.14,
    "FP8 arithmetic against Unsloth's best": 1.5,
    "an FP8 base against Unsloth's best": 1.5,
}
"""What was aimed at, by name of a ratio."""


def main(results: Path) -> None:
    """Writes both files.

    Args:
        results: What `peers` wrote.
    """
    found = json.loads(results.read_text())
    (results.parent / "peers.md").write_text(page(found, results.name))
    (results.parent / "peers.svg").write_text(plot(found["runs"]))


def page(found: Mapping[str, Any], file: str) -> str:
    """The page in Markdown.

    Args:
        found: The results.
        file: Their file, for the link.
    """
    good = [run for run in found["runs"] if "error" not in run]
    rounds = 1 + max((run["round"] for run in good), default=0)
    versions: dict[str, str] = {}
    for run in good:
        versions |= run["versions"]
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if name in _NAMED)
    lines = [
        "# Against the peers",
        "",
        f"{found['shape']} shape with random weights, r 16 on all linear layers, one {good[0]['device']}.",
        f"{named}.",
        "",
        f"Each line is its own process, in turn with the others; {found['steps']} timed steps behind "
        f"{found['warm_up_steps']}",
        f"of warm-up, up to {rounds} rounds. Tokens a second count no padding, over whole steps of wall time; peaks",
        "are PyTorch's `max_memory_allocated`. A run counts if its first loss agrees to 1 % with the plain path's and",
        f"its gradients are not zero. Numbers, versions and clocks of every run: [{file}]({file}).",
        "",
        "![tokens a second by system](peers.svg)",
        "",
    ]
    for workload in (DENSE, LENGTHS):
        lines += [f"## {workload[0].upper()}{workload[1:]}", "", *_table(good, workload), ""]
    lines += ["## Ratios", "", *_ratios(found["ratios"]), ""]
    lost = sorted({run["arm"] for run in found["runs"] if "error" in run})
    lines += [f"Runs that failed: {', '.join(lost)}." if lost else "No run failed.", ""]
    lines += [
        "Run it on your own card: `python -m scripts.benchmarks.peers --out results.json`; what isn't installed is"
    ]
    lines += [f"left out. `python -m scripts.benchmarks.peers_page {file}` writes this page.", ""]
    return "\n".join(lines)


_NAMED = ("torch", "transformers", "peft", "bitsandbytes", "trl", "unsloth")


def _table(runs: Sequence[Mapping[str, Any]], workload: str) -> list[str]:
    lines = ["| system | tok/s, median | least to most | rounds | peak GiB |", "|---|---|---|---|---|"]
    for arm, group in _groups(runs, workload):
        paces = [run["tokens_per_s"] for run in group]
        peak = statistics.median(run["peak_gib"] for run in group)
        spread = f"{min(paces):,} to {max(paces):,}" if len(paces) > 1 else "–"
        lines.append(f"| {arm} | {statistics.median(paces):,.0f} | {spread} | {len(paces)} | {peak:.1f} |")
    return lines


def _ratios(ratios: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| compared | ratio, median | each round | aim |", "|---|---|---|---|"]
    for name, ours, theirs in RATIOS:
        if values := ratios.get(name):
            each = ", ".join(f"{value:.3f}" for value in values)
            aim = f"{TARGETS[name]:.2f}" if name in TARGETS else "–"
            lines.append(f"| {name} ({ours} ÷ {theirs}) | {statistics.median(values):.3f} | {each} | {aim} |")
    return lines


def plot(runs: Sequence[Mapping[str, Any]]) -> str:
    """Pace of each arm as a bar, fastest first, with a line from the least to the most of its rounds.

    Args:
        runs: The results' runs.

    Returns:
        An SVG file's content.
    """
    good = [run for run in runs if "error" not in run]
    bars = [
        (f"{arm} ({workload.split()[0]})", arm.split()[0], [run["tokens_per_s"] for run in group])
        for workload in (DENSE, LENGTHS)
        for arm, group in _groups(good, workload)
    ]
    bars.sort(key=lambda bar: -statistics.median(bar[2]))
    scale = (_WIDTH - _LEFT - 70) / max(max(paces) for _, _, paces in bars)
    height = _TOP + _STEP * len(bars) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"',
        'font-size="13"><title>Tokens a second by system</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text x="{_LEFT}" y="18">tokens a second, without padding; the line spans the rounds</text>',
    ]
    for place, (name, system, paces) in enumerate(bars):
        y, middle = _TOP + _STEP * place, statistics.median(paces)
        low, high, end = (_LEFT + scale * pace for pace in (min(paces), max(paces), middle))
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{name}</text>',
            f'<rect class="{system.lower()}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="18"/>',
            f'<path class="spread" d="M{low:.1f} {y + 9}H{high:.1f}"/>',
            f'<text x="{high + 6:.1f}" y="{y + 14}">{middle:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


_WIDTH, _LEFT, _TOP, _STEP = 860, 330, 30, 26
_STYLE = (
    ".ground{fill:#fff}text{fill:#1f2328}.spread{stroke:#1f2328;stroke-width:2}"
    ".ftlab{fill:#2563eb}.trl{fill:#9ca3af}.unsloth{fill:#d97706}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3}.spread{stroke:#e6edf3}}"
)


def _groups(runs: Sequence[Mapping[str, Any]], workload: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The runs of each arm on a workload, in the order of `ARMS`."""
    groups = [(arm.name, [run for run in runs if run["arm"] == arm.name]) for arm in ARMS if arm.workload == workload]
    return [(name, group) for name, group in groups if group]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
