"""Which column of a log means what: by name, the usual ones of trainers and dashboards, and said to the user."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Field = Literal["step", "loss", "val_loss", "lr", "grad_norm", "epoch", "tokens", "tokens_per_s", "step_s", "skipped"]

NAMES: Mapping[Field, tuple[str, ...]] = {
    "step": (
        "step", "global_step", "train_global_step", "trainer_global_step", "iteration", "iter", "steps", "update",
        "optimizer_step", "num_steps", "it",
    ),
    "loss": ("train_loss", "training_loss", "loss", "train_nll", "nll", "loss_train", "train_loss_step"),
    "val_loss": (
        "val_loss", "eval_loss", "validation_loss", "valid_loss", "held_out_loss", "heldout_loss", "loss_val",
        "dev_loss", "test_loss",
    ),
    "lr": ("train_learning_rate", "learning_rate", "lr", "train_lr"),
    "grad_norm": ("train_grad_norm", "grad_norm", "gradient_norm", "total_norm", "train_gradient_norm"),
    "epoch": ("train_epoch", "epoch", "epochs"),
    "tokens": ("supervised_tokens", "train_supervised_tokens", "target_tokens"),
    "tokens_per_s": ("train_supervised_tokens_per_s",),
    "step_s": ("train_step_s",),
    "skipped": ("train_skipped_steps", "skipped_steps"),
}  # fmt: skip
"""What each field is called, in plain letters (`train/loss` and `Train Loss` are `train_loss`), the best name first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands.

    Attributes:
        of_field: The column of each field that was found.
        passed_over: Columns that could have been meant as well.
    """

    of_field: Mapping[Field, str]
    passed_over: tuple[str, ...]

    def told(self) -> str:
        """Says what was taken for what."""
        fields: tuple[Field, ...] = ("step", "loss", "val_loss", "lr", "grad_norm", "epoch")
        taken = [f"{field} = {self.of_field[field]}" for field in fields if field in self.of_field]
        others = f" (not taken: {', '.join(self.passed_over)})" if self.passed_over else ""
        return f"Columns: {', '.join(taken)}{others}."


def guess(filled: Mapping[str, int]) -> Columns:
    """Guesses what columns mean; of several for one field, the fullest is taken, then the one with the best name.

    Args:
        filled: How many lines have something in each column, in the file's order.

    Returns:
        What was found; fields may be missing.
    """
    plain = {name: _plain(name) for name in filled}
    found: dict[Field, str] = {}
    passed_over: list[str] = []
    for field, usual in NAMES.items():
        ranked = sorted((-filled[name], usual.index(word), name) for name, word in plain.items() if word in usual)
        fitting = [name for _, _, name in ranked]
        if fitting:
            found[field] = fitting[0]
            passed_over += fitting[1:]
    return Columns(found, tuple(passed_over))


def _plain(name: str) -> str:
    """`my-run - train/loss` (as W&B exports it) and `Train Loss` are both `train_loss`."""
    return re.sub(r"[^a-z0-9]+", "_", name.rpartition(" - ")[2].lower()).strip("_")
