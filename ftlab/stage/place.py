"""Where a run lies: its folder, and whether it begins there or goes on.

A run never writes into another run's folder, and never goes on from a checkpoint with other settings or other rows:
both would give numbers that no configuration explains.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.callbacks.checkpoint_folder import Saved, find_checkpoint, require
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import FILE, read_card

CHECKPOINTS = "checkpoints"

FREE_TO_CHANGE = (
    "task", "trainer", "kernels", "callbacks", "logger", "evaluation", "output_dir", "resume", "offline",
    "training.micro_batch_tokens", "training.recompute", "training.checkpoint_every_steps", "training.keep_checkpoints",
    "training.max_skipped_steps", "model.note", "model.licence", "model.gated", "experiment", "data.cache",
)  # fmt: skip
"""Keys, or the groups they are in, that don't change what the run computes: a resumed run may have others."""


@dataclass(frozen=True, slots=True)
class Place:
    """A run's folder.

    Attributes:
        folder: The folder.
        attempt: How many times the run was started, this time included.
        checkpoint: What it goes on from; None = it begins.
        is_done: Whether the run that is to go on has ended well already, or was ended by a search.
        val_loss: Then its lowest held-out loss.
    """

    folder: Path
    attempt: int
    checkpoint: Saved | None
    is_done: bool = False
    val_loss: float | None = None


def find_place(cfg: DictConfig) -> Place:
    """Finds out whether the run begins or goes on.

    Args:
        cfg: The composed configuration: `output_dir` and `resume` decide.

    Returns:
        The place.

    Raises:
        InputError: The folder holds another run; there is no whole checkpoint; the settings differ.
    """
    folder = Path(cfg.output_dir)
    card = read_card(folder)
    if cfg.resume == "never":
        raise_all(_occupied(folder, card))
        return Place(folder, attempt=1, checkpoint=None)
    if cfg.resume != "auto":
        checkpoint = require(Path(cfg.resume))
        run_folder = checkpoint.folder.parent.parent
        raise_all([*_changed(cfg, read_card(run_folder)), *_occupied_by_other(folder, run_folder, card)])
        return Place(folder, (card or {}).get("attempt", 0) + 1, checkpoint)
    raise_all(_changed(cfg, card))
    if card is None:
        return Place(folder, attempt=1, checkpoint=None)
    if card["status"] in ("done", "pruned"):
        return Place(folder, card["attempt"], None, is_done=True, val_loss=card["metrics"]["val_loss"])
    return Place(folder, card["attempt"] + 1, find_checkpoint(folder / CHECKPOINTS))


def check_place(place: Place, data_sha256: str) -> None:
    """Refuses to go on with rows that changed since the checkpoint was saved.

    Args:
        place: Where the run goes on.
        data_sha256: Hash of the encoded rows (`Inputs.data_sha256`).

    Raises:
        InputError: They have changed.
    """
    before = None if place.checkpoint is None else place.checkpoint.facts.get("data_sha256")
    if before not in (None, data_sha256):
        what = "must be the rows that the run began with, read by the same tokenizer and template, but has changed."
        fix = "Put them back, or start a new run with resume=never."
        raise InputError([Problem("data.path", what, fix)])


def _occupied(folder: Path, card: Mapping[str, Any] | None) -> Iterator[Problem]:
    if card is not None:
        what = f"must be a folder without a run, but '{folder}' holds one ({FILE} says {card['status']})."
        yield Problem("hydra.run.dir", what, "Choose another folder, or set resume=auto to go on with that run.")


def _occupied_by_other(folder: Path, run_folder: Path, card: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Going on from a run's checkpoint is fine in its own folder and in a new one."""
    if folder.resolve() != run_folder.resolve():
        yield from _occupied(folder, card)


def _changed(cfg: DictConfig, card: Mapping[str, Any] | None) -> Iterator[Problem]:
    if card is None:
        return
    now, before = flat(OmegaConf.to_container(cfg, resolve=True)), flat(card["config"])
    for key in sorted(now.keys() | before.keys()):
        free = any(key == name or key.startswith(f"{name}.") for name in FREE_TO_CHANGE)
        if not free and now.get(key) != before.get(key):
            what = f"must be {before.get(key)!r}, as when the run began, but is {now.get(key)!r}."
            yield Problem(key, what, "Give the same settings as before, or start a new run with resume=never.")


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Returns the values of nested plain data by their full keys, such as `training.epochs`; a list is one value."""
    if not isinstance(node, Mapping):
        return {prefix: node}
    entries = (flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in node.items())
    return {key: value for entry in entries for key, value in entry.items()}
