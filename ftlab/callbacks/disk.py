"""Whether the disk can hold the checkpoints of a run, before it starts."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from ftlab.problem import Problem


def checkpoint_bytes(parameters: Iterable[nn.Parameter], state_bytes_per_parameter: float) -> int:
    """What one checkpoint takes.

    Args:
        parameters: The model's parameters; frozen ones are not saved.
        state_bytes_per_parameter: What the optimizer keeps for each number that is trained.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return sum(round(p.numel() * (p.element_size() + state_bytes_per_parameter)) for p in trained)


def disk_problem(folder: Path, *, one_checkpoint_bytes: int, keep: int) -> Problem | None:
    """Says what is wrong if the disk is too full; None if it isn't.

    Args:
        folder: Where the checkpoints will lie; it need not exist yet.
        one_checkpoint_bytes: What one of them takes.
        keep: The newest that are kept. The best one and the one that is being written come on top.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    needed, free = one_checkpoint_bytes * (keep + 2), shutil.disk_usage(existing).free
    if needed <= free:
        return None
    return Problem(
        "output_dir",
        f"must have {needed / 1e9:.1f} GB free for {keep + 2} checkpoints, but '{existing}' has {free / 1e9:.1f} GB.",
        "Lower training.keep_checkpoints, or choose another output_dir.",
    )
