"""The Lightning trainer as this package needs it, and the call that runs it."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import lightning as L
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import Strategy

from ftlab.callbacks import checkpoint_folder
from ftlab.training.checkpoint_io import FolderCheckpointIO
from ftlab.training.module import TrainModule

EXPECTED_WARNINGS = (
    # Our loader begins at the step that the checkpoint holds, by itself; Lightning looks for another protocol.
    "You're resuming from a checkpoint that ended before the epoch ended",
    # Steps are computed from rows in memory: loading is no bottleneck, and workers would be one.
    "The '.*dataloader' does not have many workers",
    # Lightning's own use of a call that PyTorch has deprecated.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
"""Beginnings of Lightning's warnings that do not apply here, as regular expressions."""


def build_trainer(
    *,
    folder: Path,
    eval_every_steps: int,
    max_grad_norm: float | None,
    accelerator: str = "auto",
    devices: int | Sequence[int] | str = 1,
    precision: Any = "32-true",
    strategy: Strategy | Literal["auto"] = "auto",
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    progress_bar: bool = True,
) -> L.Trainer:
    """Makes a trainer in which one epoch is the whole run and one batch an optimizer step.

    Args:
        folder: The run's folder.
        eval_every_steps: Optimizer steps between validations; there is one before the first step and one after the
            last whatever this says.
        max_grad_norm: The norm that gradients are clipped to; None or 0 = not at all.
        accelerator: As Lightning takes it.
        devices: As Lightning takes it.
        precision: As Lightning takes it.
        strategy: `auto`, or `StepReducedDDP` for several devices.
        callbacks: Watchers of the run.
        loggers: Where metrics go.
        progress_bar: Whether Lightning shows its own.

    Returns:
        The trainer; give it to `fit`.
    """
    # What Lightning tells at this level: devices that aren't there, its own products, why the loop ended.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return L.Trainer(
        accelerator=accelerator,
        devices=devices,  # type: ignore[arg-type]  # Lightning takes any sequence
        strategy=strategy,
        precision=precision,
        max_epochs=1,
        val_check_interval=eval_every_steps,
        check_val_every_n_epoch=None,  # count validations by step
        num_sanity_val_steps=0,  # `TrainModule` validates at step 0, all of it
        gradient_clip_val=max_grad_norm or None,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_model_summary=False,
        enable_progress_bar=progress_bar,
        callbacks=list(callbacks),
        logger=list(loggers),
        plugins=[FolderCheckpointIO()],
        default_root_dir=folder,
    )


def fit(
    trainer: L.Trainer, module: TrainModule, datamodule: L.LightningDataModule, checkpoint: Path | None = None
) -> None:
    """Trains to the end of the run, from a checkpoint if there is one.

    Args:
        trainer: What `build_trainer` made.
        module: What is trained.
        datamodule: Rows by step; with a checkpoint, its `start_step` is the checkpoint's step.
        checkpoint: A checkpoint's folder.
    """
    with warnings.catch_warnings():
        for text in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=text)
        trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint)


def load_weights(module: TrainModule, checkpoint: Path) -> None:
    """Puts the trained weights of a checkpoint into the model, for the evaluation and export of the best one.

    Args:
        module: A run's module; its method takes back its own state too.
        checkpoint: A checkpoint's folder.

    Raises:
        InputError: The folder holds no whole checkpoint.
        ValueError: It holds other weights than this run trains.
    """
    weights, training = checkpoint_folder.read(checkpoint)
    module.load_state_dict(weights)
    module.on_load_checkpoint(training)
