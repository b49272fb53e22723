"""A run in a process of its own, which the test kills.

It writes a line to `losses.txt` after each step, and goes on from the newest whole checkpoint.
"""

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import metric
from ftlab.callbacks import checkpoint_folder
from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.callbacks.interrupt import Interrupted
from ftlab.optimizer.schedule import build_schedule
from tests.training.toy import run_toy, toy_model, toy_module

STEPS, EVAL = 60, 6


class Writer(Callback):
    """Appends exact numbers to a file, each line at once."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", buffering=1)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        loss = pl_module.last_step.loss.item()  # type: ignore[union-attr]
        self.file.write(f"train {trainer.global_step} {loss.hex()}\n")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = trainer.callback_metrics[metric.VAL_LOSS].item()
        self.file.write(f"val {trainer.global_step} {loss.hex()}\n")


def kill_inside_save(step: int, name: str) -> None:
    """Replaces the writing of one file by half of it and SIGKILL."""

    def half(write: Any, path_of: Any) -> Any:
        def wrapper(content: Any, path: Path) -> None:
            write(content, path)
            if path_of(path).name == f".unfinished-step-{step:06d}" and path.name == name:
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)

        return wrapper

    torch.save = half(torch.save, lambda path: path.parent)
    checkpoint_folder.save_file = half(checkpoint_folder.save_file, lambda path: path.parent)


def run(folder: Path) -> None:
    """Runs to the end, or as far as it is let."""
    checkpoints = folder / "checkpoints"
    found = checkpoint_folder.find_checkpoint(checkpoints)
    schedule = build_schedule("cosine", total_steps=STEPS, warmup=5)
    model = toy_model(dropout=0.3)
    module = toy_module(model, total_steps=STEPS, schedule=schedule, micro_batch_tokens=40)
    run_toy(
        folder,
        module,
        steps=STEPS,
        eval_every_steps=EVAL,
        callbacks=[
            Checkpoint(folder=checkpoints, every_steps=2, eval_every_steps=EVAL, keep=2),
            Writer(folder / "losses.txt"),
        ],
        start_step=found.step if found else 0,
        checkpoint=found.folder if found else None,
    )


def main(folder: Path, inside_save_of: tuple[int, str] | None = None) -> None:
    """Runs, and ends the process as the command line would.

    Args:
        folder: The run's folder.
        inside_save_of: A step and a file of its checkpoint: kills itself once that file is half-written.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    if inside_save_of is not None:
        kill_inside_save(*inside_save_of)
    try:
        run(folder)
    except Interrupted:
        sys.exit(130)
