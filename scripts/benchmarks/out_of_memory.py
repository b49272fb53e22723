"""Runs out of memory on purpose, through the command line, and compares with runs that had room.

    python -m scripts.benchmarks.out_of_memory --out docs/benchmarks/out-of-memory-h100.json

Long rows: a few rows of some 6,000 tokens among 250 short ones, QLoRA on a Llama-3.2-1B shape with random weights and
a stated micro-batch of 65,536 tokens. Once with the whole card, once with `trainer.memory` below what such a step
takes. Expected: both finish, the same rows in the same steps, the same losses to rounding, and each event in the log,
the metrics file, the run card and W&B (read back from its offline file).

Paged states: full fine-tuning of the same shape with a cap between weights and gradients alone and weights,
gradients and Adam's states. Expected: `adamw` ends with advice, `paged-adamw-32bit` finishes; its pace is compared
with `adamw`'s on the whole card.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlab.callbacks.rows import read_rows
from ftlab.logger.csv import read_metrics

COMMON = (
    "model=llama3.2-1b", "model.weights=random", "~callbacks.samples", "~callbacks.checkpoint", "evaluation=none",
    "offline=true", "training.eval_every_steps=1000",
)  # fmt: skip
LONG = (
    "method=qlora", "data=text", "data.validation_fraction=0.03", "training.max_steps=16", "training.batch_rows=16",
    "training.max_row_tokens=8192", "training.micro_batch_tokens=65536", "training.recompute=none",
)  # fmt: skip
PAGED = (
    "method=full",
    "training.max_steps=8",
    "training.batch_rows=32",
    "training.micro_batch_tokens=1024",
    "training.recompute=all",
)


def main() -> None:
    """Runs what the command line asks for, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--long-cap", default="8GB", help="memory of the capped run with long rows")
    parser.add_argument("--paged-cap", default="9GB", help="memory of the capped full fine-tuning")
    parser.add_argument("--only", choices=["long", "paged"])
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "paged":
            results["long rows"] = long_rows(Path(folder), options.long_cap)
        if options.only != "long":
            results["paged states"] = paged_states(Path(folder), options.paged_cap)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def long_rows(folder: Path, cap: str) -> dict[str, Any]:
    """Trains the same rows with the whole card and under a cap.

    Args:
        folder: For rows and runs.
        cap: A card's size, such as 12GB.

    Returns:
        What both runs say, and how far apart they are.
    """
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in _texts()))
    free = train(folder / "free", *LONG, f"data.path={rows}", "logger=none")
    capped = train(folder / "capped", *LONG, f"data.path={rows}", f"trainer.memory={cap}", "logger=wandb")
    found: dict[str, Any] = {"cap": cap, "free": shown(free), "capped": shown(capped)}
    if free["rc"] == capped["rc"] == 0:
        pairs = list(zip(free["losses"], capped["losses"], strict=True))
        found["largest relative difference of a loss"] = max(abs(b / a - 1) for a, b in pairs)
        found["same rows in the same steps"] = free["rows"] == capped["rows"]
        found["rows trained on"] = len(set(sum(capped["rows"].values(), ())))
        found["events in the card"] = len(capped["card"]["oom_events"])
        found["retries in the metrics file"] = int(capped["steps"][-1]["oom/retries"])
        found["W&B"] = wandb_record(folder / "capped")
    return found


def paged_states(folder: Path, cap: str) -> dict[str, Any]:
    """Full fine-tuning with plain and with paged AdamW, with the whole card and under a cap.

    Args:
        folder: For the runs.
        cap: A card's size, such as 9GB.

    Returns:
        What the four runs say.
    """
    runs = {
        f"{optimizer}, {memory or 'whole card'}": train(
            folder / f"{optimizer}-{memory}", *PAGED, f"optimizer={optimizer}", "logger=none",
            *([f"trainer.memory={memory}"] if memory else []),
        )
        for memory in ("", cap)
        for optimizer in ("adamw", "paged-adamw-32bit")
    }  # fmt: skip
    found: dict[str, Any] = {name: shown(run) for name, run in runs.items()}
    whole, paged = runs["adamw, whole card"], runs[f"paged-adamw-32bit, {cap}"]
    if whole["rc"] == paged["rc"] == 0:
        found["time of a step, paged under the cap against plain with the whole card"] = round(
            paged["card"]["measured"]["step_s"] / whole["card"]["measured"]["step_s"], 3
        )
    return found


def train(folder: Path, *overrides: str) -> dict[str, Any]:
    """Runs ftlab once and reads what it left behind.

    Args:
        folder: The run folder.
        overrides: Beside `COMMON`.
    """
    command = [sys.executable, "-m", "ftlab", *COMMON, *overrides, f"hydra.run.dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    found: dict[str, Any] = {"overrides": overrides, "rc": done.returncode, "said": done.stdout + done.stderr}
    if done.returncode == 0:
        found["card"] = json.loads((folder / "run.json").read_text())
        found["steps"] = [line for line in read_metrics(folder / "metrics.csv") if "train/loss" in line]
        found["losses"] = [line["train/loss"] for line in found["steps"]]
        found["rows"] = read_rows(folder / "rows.csv")
    return found


def shown(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the result file keeps of a run."""
    kept = {key: run[key] for key in ("rc", "losses") if key in run}
    kept["overrides"] = [override for override in run["overrides"] if not override.startswith("data.path=")]
    lines = [line for line in str(run["said"]).splitlines() if "memory" in line.lower()]
    kept["said of memory"] = [line.strip() for line in lines][:12]
    if run["rc"]:
        return kept | {"last lines": str(run["said"]).splitlines()[-12:]}
    card = run["card"]
    return kept | {
        "device": card["device"],
        "versions": card["versions"],
        "measured": card["measured"],
        "events": card["oom_events"],
        "reserved_gib": round(card["measured"]["peak_reserved_bytes"] / 2**30, 2),
    }


def wandb_record(folder: Path) -> dict[str, Any]:
    """What W&B's offline file holds of the events."""
    from tests.reference.read_wandb import read_offline_run

    place = next((folder / "wandb").glob("offline-run-*"))
    run = read_offline_run(place)
    numbers = run.numbers()
    tables = [row for row in run.history if any(key.startswith("oom/events") for key in row)]
    return {
        "alerts": [title for title, *_ in run.alerts],
        "tables": len(tables),
        "retries": max((row.get("oom/retries", 0) for row in numbers), default=0),
    }


def _texts() -> Sequence[str]:
    """250 short texts and 12 very long ones, shuffled."""
    draw = random.Random(5)
    words = ("the", "rate", "of", "a", "loan", "is", "four", "and", "half", "year", "fee", "due", "in", "may", "june")
    counts = [draw.randint(10, 60) for _ in range(250)] + [draw.randint(4500, 6500) for _ in range(12)]
    draw.shuffle(counts)
    return [" ".join(draw.choice(words) for _ in range(count)) for count in counts]


if __name__ == "__main__":
    main()
