"""Runs one `Spec` by the stages of `ftlab.task.train`, and returns its curve; everything in one process.

A spoil enters where the fault would: in the files, in the encoded rows behind all checks, in the model, in a setting.
"""

import logging
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

from scripts.benchmarks.curves import data
from scripts.benchmarks.curves.plan import EVALUATIONS, RATES, Spec

DIGITS = 5
"""Significant digits that are kept."""


def begin(device: str) -> None:
    """Prepares a worker process: one thread each, and nothing on the terminal."""
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from ftlab.stage.surroundings import settle

    settle(offline=True)
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)


def record(spec: Spec, device: str, cache: str) -> dict[str, Any]:
    """Trains and returns the curve as plain data, or what kept it from that.

    Args:
        spec: The run.
        device: `cpu` or `cuda`.
        cache: A folder for prepared data, which all workers share.
    """
    begun = time.perf_counter()
    facts: dict[str, Any] = {
        "name": spec.name, "spoil": spec.spoil, "detail": spec.detail, "seed": spec.seed, "method": spec.method,
        "lr_factor": spec.lr_factor,
    }  # fmt: skip
    try:
        with TemporaryDirectory() as folder:
            facts |= _train(spec, Path(folder), device, cache)
    except Exception as error:  # a run that fails is a result, and the others go on
        facts["failed"] = f"{type(error).__name__}: {error}"[:300]
        facts["where"] = traceback.format_exc().strip().splitlines()[-3].strip()
    return facts | {"seconds": round(time.perf_counter() - begun, 1)}


def _train(spec: Spec, folder: Path, device: str, cache: str) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir

    from ftlab.config.folder import CONF_DIR
    from ftlab.stage.fit import train
    from ftlab.stage.load import apply_method, load_base
    from ftlab.stage.prepare import prepare
    from ftlab.stage.record import Record
    from ftlab.training.skipped import NonFiniteError

    shuffle_seed = spec.seed if spec.spoil == "shuffled" else None
    sets = data.write(folder, spec.data, rows=spec.how.get("rows"), shuffle_seed=shuffle_seed)
    overrides = [*sets, *_settings(spec, device), f"output_dir={folder / 'run'}", f"data.cache={cache}"]
    with initialize_config_dir(config_dir=str(CONF_DIR), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    inputs = prepare(cfg)
    inputs = replace(inputs, train=_spoiled_rows(spec, inputs))
    ended = None
    try:
        with Record(cfg, inputs) as run:
            model = apply_method(cfg, inputs, load_base(cfg, inputs.device), run)
            _spoil_model(spec, model)
            train(cfg, inputs, model, run)
    except NonFiniteError as error:  # the end that a spoiled run may come to
        ended = str(error)[:120]
    return _curve(cfg, inputs, folder / "run" / "metrics.csv") | {"ended": ended}


def _settings(spec: Spec, device: str) -> list[str]:
    return [
        f"method={spec.method}", f"optimizer.lr={RATES[spec.method] * spec.lr_factor}", f"seed={spec.seed}",
        f"training.batch_rows={spec.batch_rows}", f"training.max_steps={spec.steps}",
        f"training.eval_every_steps={max(1, spec.steps // EVALUATIONS)}", "training.micro_batch_tokens=4096",
        f"trainer={'cpu' if device == 'cpu' else 'gpu'}", "evaluation=none", "logger=none", "offline=true",
        "callbacks=[loss,throughput]", "check.near_duplicates=false", *spec.overrides,
    ]  # fmt: skip


def _curve(cfg: Any, inputs: Any, file: Path) -> dict[str, Any]:
    """What the metrics file holds, in columns."""
    from ftlab import metric
    from ftlab.logger.csv import read_metrics

    rows = [row for row in read_metrics(file) if metric.TRAIN_LOSS in row]
    held_out = [(row[metric.STEP], row[metric.VAL_LOSS]) for row in read_metrics(file) if metric.VAL_LOSS in row]
    tokens = [round(row[metric.SUPERVISED_TOKENS_PER_S] * row[metric.STEP_S]) for row in rows]
    return {
        "lr": _short(cfg.optimizer.lr),
        "scheduler": dict(cfg.scheduler),
        "batch_rows": cfg.training.batch_rows,
        "train_rows": len(inputs.train),
        "total_steps": inputs.total_steps,
        "losses": [_short(row[metric.TRAIN_LOSS]) for row in rows],
        "grad_norms": [_short(row.get(metric.GRAD_NORM)) for row in rows],
        "tokens": [] if all(tokens) else tokens,  # all that the doctor makes of them is whether there are any
        "held_out": [(step, _short(loss)) for step, loss in held_out],
        "skipped": int(max((row.get(metric.SKIPPED_STEPS, 0) for row in rows), default=0)),
    }


def _short(value: float | None, digits: int = DIGITS) -> float | None:
    """The number with few digits; JSON has no NaN: what isn't finite is null."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.{digits}g}")


class _Rows(Sequence[Any]):
    """Encoded rows in memory, with what a run asks of stored ones."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._rows[index]

    @cached_property
    def lengths(self) -> Any:
        import numpy as np

        return np.array([len(row) for row in self._rows], dtype=np.int64)

    @cached_property
    def targets_counts(self) -> Any:
        import numpy as np

        return np.array([row.targets_count for row in self._rows], dtype=np.int64)

    @cached_property
    def row_ids(self) -> Any:
        import numpy as np

        return np.array([row.id for row in self._rows], dtype=np.int64)


def _spoiled_rows(spec: Spec, inputs: Any) -> Any:
    """The training rows as the run will have them."""
    import torch

    from ftlab.data.datamodule import whole
    from ftlab.data.epoch import epoch_order

    rows = inputs.train[:]
    generator = torch.Generator().manual_seed(spec.seed)
    if spec.spoil == "masked":
        masked = torch.rand(len(rows), generator=generator) < spec.how["share"]
        rows = [
            replace(row, supervised=torch.zeros_like(row.supervised)) if blank else row
            for row, blank in zip(rows, masked.tolist(), strict=True)
        ]
    elif spec.spoil == "poisoned":
        order = epoch_order(inputs.parts or whole(len(rows)), spec.seed, 0).tolist()
        vocabulary = len(inputs.tokenizer)
        for step in spec.how["steps"]:
            for place in order[(step - 1) * spec.batch_rows : step * spec.batch_rows]:
                noise = torch.randint(10, vocabulary, rows[place].ids.shape, generator=generator)
                ids = torch.where(rows[place].supervised, noise, rows[place].ids)
                rows[place] = replace(rows[place], ids=ids)
    else:
        return inputs.train
    return _Rows(rows)


def _spoil_model(spec: Spec, model: Any) -> None:
    """Takes from adapters what would let them learn."""
    if spec.spoil != "frozen":
        return
    import torch
    from peft.tuners.lora import LoraLayer

    with torch.no_grad():
        for module in model.modules():
            if not isinstance(module, LoraLayer):
                continue
            for name in module.lora_A:
                if spec.how["which"] == "both-zero":
                    module.lora_A[name].weight.zero_()
                elif spec.how["which"] == "b-frozen":
                    module.lora_B[name].weight.requires_grad = False
                else:
                    module.scaling[name] = 0.0
