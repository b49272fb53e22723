"""Jobs of a sweep from plain numbers, compared, for the tests of its page."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from ftlab import metric
from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison
from ftlab.report.sweep.read import Job, Status, Sweep

GIB = 2**30

Ended = dict[int, tuple[Status, str]]
"""Status and error of jobs that are not done, by number."""

METHODS = {"lora": 0.30, "qlora": 0.34, "full": 0.26}
"""Held-out loss of each at its best learning rate."""

BEST_RATE = 1e-3


def made_job(
    number: int,
    overrides: Mapping[str, str],
    *,
    folder: Path | None = None,
    status: Status = "done",
    error: str = "",
    note: str = "",
) -> Job:
    """A job whose numbers follow from its overrides; `note` stands in its configuration."""
    loss = METHODS.get(overrides.get("method", "lora"), 0.3) + 0.01 * math.sin(7 * number)
    loss += 0.1 * abs(math.log10(float(overrides.get("optimizer.lr", BEST_RATE)) / BEST_RATE))
    memory = {"lora": 17, "qlora": 6, "full": 60}.get(overrides.get("method", "lora"), 10) * GIB
    values = {
        "loss": loss + 0.005, "val_loss": loss, "base_loss": 4.9, "general_loss": 1.0 / loss, "base_general_loss": 1.0,
        "forgetting": 1.0 / loss - 1.0, "format_rate": 1 - loss / 2, "general_rate": 0.7, "base_general_rate": 0.8,
        "trainable_parameters": 466944.0, "peak_bytes": float(memory), "tokens_per_s": 3000 + 10.0 * number,
        "wall_s": 45.0,
    }  # fmt: skip
    config = {
        "model": {"name": "tiny"}, "data": {"name": "demo"}, "training": {"max_steps": 8}, "note": note,
        "output_dir": str(folder),
        "method": {"name": overrides.get("method", "lora"), "bits": 4 + 12 * (memory > 10 * GIB)},
    }  # fmt: skip
    done = status == "done"
    return Job(
        name=folder.name if folder else f"#{number}", folder=folder, number=number, overrides=dict(overrides),
        status=status, error=error, values=values if done else {}, facts={"started_s": float(number)} if done else {},
        config=config if done else {},
    )  # fmt: skip


def made_comparison(
    folder: Path,
    keys: Mapping[str, Sequence[str]],
    *,
    ended: Ended | None = None,
    price_per_hour: float | None = None,
    note: str = "",
) -> Comparison:
    """Compares the jobs of a grid.

    Args:
        folder: Of the sweep; nothing is written.
        keys: The values of each key that is swept.
        ended: Those jobs that aren't done.
        price_per_hour: What an hour costs.
        note: A text that stands in every configuration.
    """
    jobs = []
    for number, values in enumerate(product(*keys.values())):
        status, error = (ended or {}).get(number, ("done", ""))
        overrides = dict(zip(keys, values, strict=True))
        place = None if status == "missing" else folder / f"{number}-job"
        jobs.append(made_job(number, overrides, folder=place, status=status, error=error, note=note))
    return compare(Sweep(folder, tuple(jobs)), price_per_hour=price_per_hour)


def write_curve(folder: Path, losses: Mapping[int, float]) -> None:
    """Writes a metrics file with held-out losses by step, and steps without one between them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{metric.STEP},{metric.TRAIN_LOSS},{metric.VAL_LOSS}"]
    lines += [f"{step},{step},{losses.get(step, '')}" for step in range(max(losses) + 1)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
