"""Sweeps from plain data, as their runs and launchers leave them: for tests of the comparison and for screenshots."""

import csv
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ftlab import metric

BEGUN = datetime(2026, 1, 31, 12, tzinfo=UTC)

EVALUATION = {"name": "default", "base": True, "general": {"path": "auto", "rows": 200}}

LR = 2e-4
"""The learning rate where a job's overrides don't say another."""


def made_card(
    overrides: Mapping[str, str], values: Mapping[str, float | None], *, number: int = 0, **sections: Any
) -> dict[str, Any]:
    """Makes the card of a run that is done.

    Args:
        overrides: By key; `method` and `seed` stand in the config, too.
        values: `metrics` by key (`ftlab.metric`, `val_loss`), `peak_bytes`, `tokens_per_s`, `wall_s` and
            `trainable_parameters`.
        number: Of the job: each begins when the one before has ended.
        sections: Take the places of the card's own.
    """
    method, seconds = overrides.get("method", "qlora"), values.get("wall_s") or 60.0
    started = BEGUN + timedelta(seconds=number * 1000)
    own = ("peak_bytes", "tokens_per_s", "wall_s", "trainable_parameters")
    config: dict[str, Any] = {
        "seed": int(overrides.get("seed", "1")),
        "model": {"name": overrides.get("model", "tiny")},
        "data": {"name": "demo"},
        "method": {"name": method},
        "optimizer": {"lr": float(overrides.get("optimizer.lr", LR))},
        "training": {"batch_rows": 16},
        "evaluation": EVALUATION,
    }
    split = {"rows": 62, "tokens": 4169, "supervised_tokens": 1986, "longest_row_tokens": 92}
    return {
        "format": 1,
        "status": "done",
        "started": started.isoformat(timespec="seconds"),
        "written": (started + timedelta(seconds=seconds)).isoformat(timespec="seconds"),
        "command": ["python", "-m", "ftlab", "-m", "method=lora,qlora"],
        "versions": {"python": "3.11.7", "ftlab": "0.1.0", "torch": "2.15.0"},
        "attempt": 1,
        "device": "NVIDIA H100",
        "total_steps": 144,
        "data": {"sha256": "5c4f", "splits": {"train": {**split, "rows": 754, "tokens": 48964}, "test": split}},
        "model": {
            "base": "tiny",
            "weights": "pretrained",
            "base_fingerprint": "8813",
            "trainable_parameters": values.get("trainable_parameters", 466_944),
        },
        "measured": {key: values[key] for key in ("peak_bytes", "tokens_per_s") if values.get(key) is not None},
        "metrics": {key: value for key, value in values.items() if key not in own},
        "config": config,
        **sections,
    }


def made_job(
    sweep: Path,
    number: int,
    overrides: Mapping[str, str],
    card: Mapping[str, Any] | None,
    losses: Sequence[float] = (),
) -> Path:
    """Writes a job's folder.

    Args:
        sweep: The sweep's folder.
        number: The job's.
        overrides: By key.
        card: Its run.json; None = it has none.
        losses: Held-out losses in metrics.csv, one every 12 steps.

    Returns:
        The folder.
    """
    folder = sweep / f"{number}-{overrides.get('method', 'qlora')}"
    (folder / ".hydra").mkdir(parents=True)
    lines = "".join(f"- {key}={value}\n" for key, value in overrides.items())
    (folder / ".hydra" / "overrides.yaml").write_text(lines)
    if card is not None:
        (folder / "run.json").write_text(json.dumps(card))
    if losses:
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([metric.STEP, metric.TRAIN_LOSS, metric.VAL_LOSS])
            writer.writerows((12 * place, loss + 0.01, loss) for place, loss in enumerate(losses))
    return folder


def made_multirun(sweep: Path, *typed: str, params: Mapping[str, str] | None = None, pool: bool = True) -> None:
    """Writes the part of Hydra's multirun.yaml that tells which jobs there should be.

    Args:
        sweep: The sweep's folder.
        typed: The overrides on the command line.
        params: The sweeper's own.
        pool: Whether each job had a process of its own.
    """
    launcher = "hydra_plugins.hydra_gpu_pool_launcher.gpu_pool_launcher.GpuPoolLauncher"
    hydra = {
        "launcher": {"_target_": launcher if pool else "hydra._internal.core_plugins.basic_launcher.BasicLauncher"},
        "sweeper": {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper", "params": params},
        "overrides": {"task": list(typed)},
    }
    sweep.mkdir(parents=True, exist_ok=True)
    (sweep / "multirun.yaml").write_text(json.dumps({"hydra": hydra}))  # JSON is YAML


def made_pool(sweep: Path, jobs: Sequence[Mapping[str, Any]], version: int = 1) -> None:
    """Writes a gpu_pool launcher's sweep.json.

    Args:
        sweep: The sweep's folder.
        jobs: Each with `num`, `overrides`, `status`, and if it isn't done `error`; `folder` and `slot` may be there.
        version: Of the file's layout.
    """
    entries = [{"folder": None, "error": "", "slot": "GPU 0", **job} for job in jobs]
    sweep.mkdir(parents=True, exist_ok=True)
    (sweep / "sweep.json").write_text(json.dumps({"version": version, "jobs": entries}))


def made_values(loss: float, **others: float | None) -> dict[str, float | None]:
    """Returns what a run of the embedded model measures: a held-out loss, and the rest in step with it."""
    return {
        metric.TEST_LOSS_BASE: 4.9,
        metric.TEST_LOSS: loss,
        "val_loss": loss + 0.01,
        metric.TEST_JSON_RATE_BASE: 0.0,
        metric.TEST_JSON_RATE: 0.9,
        metric.GENERAL_LOSS_BASE: 0.6,
        metric.GENERAL_LOSS: 1.5 - loss / 10,
        metric.GENERAL_PROBE_RATE_BASE: 0.85,
        metric.GENERAL_PROBE_RATE: 0.3,
        "peak_bytes": 1.4e9,
        "tokens_per_s": 3500.0,
        "wall_s": 75.0,
        **others,
    }


def made_sweep(folder: Path, methods: Sequence[str], rates: Sequence[str], seeds: Sequence[int], seed: int = 7) -> int:
    """Writes a whole sweep; some of its jobs failed, were interrupted, were killed or are missing.

    Args:
        folder: Of the sweep.
        methods: In its order; each learns a little worse than the one before, with less memory.
        rates: Learning rates; the one in the middle is best.
        seeds: Of the runs.
        seed: Of the numbers.

    Returns:
        How many jobs it has.
    """
    noise = random.Random(seed)
    typed = {"method": methods, "optimizer.lr": rates, "seed": [str(one) for one in seeds]}
    made_multirun(folder, *(f"{key}={','.join(values)}" for key, values in typed.items()))
    number = 0
    for place, method in enumerate(methods):
        for step, rate in enumerate(rates):
            for one in seeds:
                overrides = {"method": method, "optimizer.lr": rate, "seed": str(one)}
                loss = 0.25 + 0.01 * place + 0.05 * abs(step - len(rates) // 2) + noise.gauss(0, 0.004)
                values = made_values(loss, peak_bytes=4e9 / (place + 1), trainable_parameters=6e6 / (place + 1))
                losses = [loss + 4.6 * 0.6**point + noise.gauss(0, 0.01) for point in range(13)]
                card = made_card(overrides, values, number=number)
                if number % 17 == 5:
                    card |= {"status": "failed", "error": "OutOfMemoryError: CUDA out of memory", "metrics": {}}
                elif number % 23 == 7:
                    card |= {"status": "interrupted", "error": "KeyboardInterrupt: ", "metrics": {}}
                elif number % 29 == 11:
                    card |= {"status": "running", "metrics": {}}
                if number % 31 != 13:
                    made_job(folder, number, overrides, card, losses)
                number += 1
    return number
