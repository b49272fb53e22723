"""Trains: puts the pieces into Lightning's hands and takes the best weights back."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from ftlab.callbacks.checkpoint_folder import best_checkpoint, find_checkpoint
from ftlab.callbacks.disk import checkpoint_bytes, disk_problem
from ftlab.callbacks.samples import Question
from ftlab.config.build import build_all
from ftlab.data.datamodule import RowsDataModule, whole
from ftlab.data.epoch import step_order
from ftlab.data.pack import lengths
from ftlab.data.row import EncodedRow
from ftlab.kernels.recompute import Recompute
from ftlab.optimizer.build import state_bytes_per_parameter
from ftlab.problem import raise_all
from ftlab.stage.curve import settings_of
from ftlab.stage.held_out import question, reference
from ftlab.stage.inputs import Inputs
from ftlab.stage.place import CHECKPOINTS
from ftlab.stage.plan import advice
from ftlab.stage.record import Record
from ftlab.stage.score import answer
from ftlab.stage.source import plain
from ftlab.training.module import TrainModule
from ftlab.training.probe import largest_step
from ftlab.training.strategy import StepReducedDDP
from ftlab.training.trainer import build_trainer, fit, load_weights

log = logging.getLogger(__name__)

MOST_QUESTIONS = 100
"""Validation rows that callbacks can ask during training."""


def train(cfg: DictConfig, inputs: Inputs, model: nn.Module, record: Record) -> float | None:
    """Trains to the end of the run and leaves the best weights in the model.

    Args:
        cfg: The composed configuration.
        inputs: What the run starts from.
        model: The base with the method applied.
        record: Where the run is recorded; says what it goes on from.

    Returns:
        The lowest held-out loss, whose weights the model has now; None without validation rows.

    Raises:
        InputError: The disk has no room for the checkpoints.
        Interrupted: Ctrl-C or SIGTERM; the run is saved.
        NonFiniteError: Too many steps with a loss or gradient that is not finite.
        RowTooLargeError: A single row doesn't fit the memory.
    """
    checkpoints = record.place.folder / CHECKPOINTS
    one_bytes = checkpoint_bytes(model.parameters(), state_bytes_per_parameter(inputs.optimizer))
    full = disk_problem(checkpoints, one_checkpoint_bytes=one_bytes, keep=cfg.training.keep_checkpoints)
    raise_all([full] if full else [])
    module = _module(cfg, inputs, model)
    record.callbacks = build_all(cfg.callbacks, "callbacks", **_for_callbacks(cfg, inputs, model))
    start = record.place.checkpoint
    trainer = build_trainer(
        folder=record.place.folder,
        eval_every_steps=inputs.eval_every_steps,
        max_grad_norm=cfg.training.max_grad_norm,
        accelerator="gpu" if inputs.device.type == "cuda" else "cpu",
        devices=cfg.trainer.devices,
        precision=inputs.precision,
        strategy=StepReducedDDP() if cfg.trainer.devices > 1 else "auto",
        callbacks=list(record.callbacks.values()),
        loggers=record.loggers,
        progress_bar=False,
    )
    fit(trainer, module, _rows(cfg, inputs, start.step if start else 0), start.folder if start else None)
    return _take_best(module, checkpoints)


def _module(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> TrainModule:
    return TrainModule(
        model,
        method=inputs.method,
        optimizer=inputs.optimizer,
        schedule=inputs.schedule,
        total_steps=inputs.total_steps,
        layout=inputs.layout,
        micro_batch_tokens=inputs.micro_batch_tokens,
        pad_id=inputs.pad_id,
        seed=cfg.seed,
        lr_multipliers=inputs.method.lr_multipliers,
        max_skipped_steps=cfg.training.max_skipped_steps,
        probe=_largest_step(cfg, inputs),
        **_planned(cfg, inputs),
    )


def _planned(cfg: DictConfig, inputs: Inputs) -> dict[str, Any]:
    """What the module takes of the memory plan."""
    plan = inputs.plan
    if plan is None:
        return {}
    level = plan.load.level
    changes = advice(cfg, plan)
    return {
        "recompute": Recompute(level.norms, level.mlp, level.layers, level.offload),
        "probe_bytes": sum(term.bytes for term in plan.terms if term.name == "optimizer states"),
        "advice": f"What helps: {'; '.join(changes)}. `task=plan` shows the whole plan." if changes else "",
    }


def _largest_step(cfg: DictConfig, inputs: Inputs) -> list[EncodedRow]:
    """Rows of the step to rehearse: on a GPU only, where running out of memory can be caught."""
    if inputs.device.type != "cuda":
        return []
    counts = lengths(inputs.train)
    parts = inputs.parts or whole(len(counts))
    steps = [*step_order(parts, seed=cfg.seed, batch_rows=cfg.training.batch_rows, steps=inputs.total_steps)]
    tokens = ([int(counts[place]) for place in places] for places in steps)
    return [inputs.train[place] for place in steps[largest_step(tokens, inputs.micro_batch_tokens)].tolist()]


def _rows(cfg: DictConfig, inputs: Inputs, start_step: int) -> RowsDataModule:
    return RowsDataModule(
        inputs.train,
        inputs.validation,
        batch_rows=cfg.training.batch_rows,
        epochs=cfg.training.epochs,
        max_steps=cfg.training.max_steps,
        seed=cfg.seed,
        parts=inputs.parts,
        validation_tokens=inputs.micro_batch_tokens,
        layout=inputs.layout,
        start_step=start_step,
    )


def _for_callbacks(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> dict[str, Any]:
    """What a callback's constructor can ask for by name."""
    return {
        "folder": inputs.place.folder,
        "total_steps": inputs.total_steps,
        "every_steps": inputs.checkpoint_every_steps,
        "eval_every_steps": inputs.eval_every_steps,
        "facts": {"seed": cfg.seed, "total_steps": inputs.total_steps, "data_sha256": inputs.data_sha256},
        "questions": [
            Question(text=question(row), reference=reference(row), prompt=inputs.encoder.prompt_ids(row))
            for row in inputs.rows.validation[:MOST_QUESTIONS]
        ],
        "answer": partial(answer, cfg, inputs, model),
        "settings": settings_of(plain(cfg), inputs.total_steps),
    }


def _take_best(module: TrainModule, checkpoints: Path) -> float | None:
    """Puts the best weights into the model, where the last ones aren't the best."""
    best, last = best_checkpoint(checkpoints), find_checkpoint(checkpoints)
    if best is None:
        return None
    if last is not None and best.step != last.step:
        log.info("Step %d has the lowest held-out loss (%.4f): its weights are kept.", best.step, best.val_loss)
        load_weights(module, best.folder)
    return best.val_loss
