"""A checkpoint on disk: one folder a step, whole or not there.

    checkpoints/step-000120/trainable.safetensors   the trained weights
                            training.pt             optimizer, callbacks, and what else the next step depends on
                            state.json              step, held-out loss, sizes of the files: written last

The files are written into a hidden folder beside it, synced to the disk, and renamed: a process killed at any moment
leaves the old checkpoints as they were, and at most a hidden folder that the next run removes. What must not be here:
when to save, and Lightning.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ftlab.problem import InputError, Problem

FORMAT = 1
"""Raised when a reader of the old form could not read the new one."""

WEIGHTS, TRAINING, STATE = "trainable.safetensors", "training.pt", "state.json"
UNFINISHED = ".unfinished-"
"""How the names of folders begin that are being written or removed."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole checkpoint.

    Attributes:
        folder: Where it lies.
        step: Optimizer steps done.
        val_loss: Held-out loss of these weights; None if they were not validated.
        facts: What the run wrote beside it (seed, total steps, hash of the configuration).
    """

    folder: Path
    step: int
    val_loss: float | None
    facts: Mapping[str, Any]


def folder_name(step: int) -> str:
    """Returns the name of a step's checkpoint folder; names sort as steps do.

    >>> folder_name(120)
    'step-000120'
    """
    return f"step-{step:06d}"


def write(
    folder: Path, *, weights: Mapping[str, Tensor], training: Mapping[str, Any], step: int, facts: Mapping[str, Any]
) -> None:
    """Writes a checkpoint, so that it is either whole or not there.

    Args:
        folder: Its place; what is there is replaced.
        weights: The trained weights by name.
        training: Everything else, made of tensors, numbers, strings and containers of them.
        step: Optimizer steps done.
        facts: Goes into `state.json`; `val_loss` among them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f"{UNFINISHED}{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, unfinished / WEIGHTS)
    torch.save(dict(training), unfinished / TRAINING)
    sizes = {name: (unfinished / name).stat().st_size for name in (WEIGHTS, TRAINING)}
    state = {"format": FORMAT, "step": step, **facts, "bytes": sizes}
    (unfinished / STATE).write_text(json.dumps(state, indent=2) + "\n")
    for name in (WEIGHTS, TRAINING, STATE, "."):
        _sync(unfinished / name)
    remove(folder)
    unfinished.rename(folder)
    _sync(folder.parent)


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the weights and the training state, on the CPU.

    Raises:
        InputError: The folder holds no whole checkpoint.
    """
    require(folder)
    return load_file(folder / WEIGHTS), torch.load(folder / TRAINING, map_location="cpu", weights_only=True)


def saved(folder: Path) -> Saved | None:
    """Returns what `state.json` says if the checkpoint is whole, else None."""
    try:
        state = json.loads((folder / STATE).read_text())
        is_whole = all((folder / name).stat().st_size == size for name, size in state["bytes"].items())
        if state["format"] != FORMAT or not is_whole:
            return None
        facts = {key: value for key, value in state.items() if key not in ("format", "bytes", "step", "val_loss")}
        return Saved(folder, state["step"], state.get("val_loss"), facts)
    except (OSError, ValueError, KeyError):
        return None


def require(folder: Path) -> Saved:
    """Returns the checkpoint in a folder that a user named.

    Raises:
        InputError: There is none, or not a whole one.
    """
    found = saved(folder)
    if found is None:
        raise InputError(
            [
                Problem(
                    "resume",
                    f"must be never, auto or the folder of a whole checkpoint, but is '{folder}'.",
                    "Look for step-… folders in the run's checkpoints folder.",
                )
            ]
        )
    return found


def whole(folder: Path) -> list[Saved]:
    """Returns the whole checkpoints below a run's `checkpoints` folder, the oldest first."""
    found = [saved(path) for path in sorted(folder.glob("step-*"))]
    return sorted((one for one in found if one is not None), key=lambda one: one.step)


def find_checkpoint(folder: Path) -> Saved | None:
    """Returns the newest whole checkpoint below a run's `checkpoints` folder; None if there is none (`resume=auto`)."""
    return next(iter(reversed(whole(folder))), None)


def best_checkpoint(folder: Path) -> Saved | None:
    """Returns the whole checkpoint with the lowest held-out loss, of equal ones the oldest; None if there is none."""
    scored = [(one.val_loss, one.step, one) for one in whole(folder) if one.val_loss is not None]
    return min(scored)[2] if scored else None


def clean(folder: Path) -> None:
    """Removes what a killed run left half-written or half-removed."""
    for path in _broken(folder):
        shutil.rmtree(path, ignore_errors=True)


def prune(folder: Path, keep: int) -> None:
    """Removes all whole checkpoints but the newest `keep` and the best by held-out loss."""
    best = best_checkpoint(folder)
    for one in whole(folder)[:-keep]:
        if best is None or one.step != best.step:
            remove(one.folder)


def remove(folder: Path) -> None:
    """Removes a checkpoint; killed on the way, it leaves no folder that looks whole."""
    if folder.exists():
        doomed = folder.with_name(f"{UNFINISHED}removing-{folder.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _broken(folder: Path) -> Iterator[Path]:
    yield from folder.glob(f"{UNFINISHED}*")
    yield from (path for path in folder.glob("step-*") if saved(path) is None)


def _sync(path: Path) -> None:
    """Waits until a file or folder is on the disk: a rename could otherwise get there before the contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
