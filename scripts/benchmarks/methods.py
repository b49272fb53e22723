"""Trains the three methods for a few steps each, with fused kernels and without, and writes down pace and peak memory.

    python -m scripts.benchmarks.methods --out docs/benchmarks/methods.json

Random weights of the named shapes: a step's arithmetic and memory don't depend on the values. Rows are the embedded
demo, packed, read by the embedded tokenizer. Each run is its own process; its run card is the source of the figures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RUNS = (
    {"model": "llama3-8b", "method": "qlora", "kernels": "auto"},
    {"model": "llama3-8b", "method": "qlora", "kernels": "none"},
    {"model": "llama3-8b", "method": "qlora", "kernels": "fp8"},
    {"model": "llama3-8b", "method": "lora", "kernels": "auto"},
    {"model": "llama3-8b", "method": "lora", "kernels": "none"},
    {"model": "llama3.2-1b", "method": "full", "kernels": "auto"},
)
COMMON = (
    "model.weights=random", "training.max_steps=20", "training.batch_rows=128", "training.micro_batch_tokens=8192",
    "training.eval_every_steps=1000", "~callbacks.samples", "~callbacks.checkpoint", "evaluation=none", "logger=none",
)  # fmt: skip


def main() -> None:
    """Runs all and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/methods.json"))
    arguments = parser.parse_args()
    results = []
    for choice in RUNS:
        results.append(measure(choice))
        print(json.dumps(results[-1]), flush=True)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


def measure(choice: dict[str, str]) -> dict[str, Any]:
    """Trains one method in a process of its own and reads its run card.

    Args:
        choice: Group → choice.

    Returns:
        The figures, with device, versions and the command.
    """
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*(f"{group}={name}" for group, name in choice.items()), *COMMON]
        subprocess.run([sys.executable, "-m", "ftlab", *overrides, f"hydra.run.dir={folder}/run"], check=True)
        card = json.loads(Path(folder, "run", "run.json").read_text())
    return {
        "choice": choice,
        **{key: card[key] for key in ("device", "versions", "model", "measured")},
        "peak_gib": round(card["measured"]["peak_bytes"] / 2**30, 2),
        "step_tokens": card["data"]["splits"]["train"]["tokens"] / card["data"]["splits"]["train"]["rows"] * 128,
        "command": ["python", "-m", "ftlab", *overrides],
    }


if __name__ == "__main__":
    main()
