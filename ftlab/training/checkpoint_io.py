"""Between Lightning's checkpoint dictionary and a checkpoint folder.

Lightning gathers and restores the parts (weights, optimizer, callbacks, precision); this decides how they lie on the
disk. Its own loop counters are not kept: they differ by the hook in which a checkpoint was saved, and a wrong one
skips or repeats a step in silence. They are made anew from the only fact in them, the number of steps done.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from ftlab.callbacks import checkpoint_folder

WEIGHTS, LOOPS = "state_dict", "loops"


class FolderCheckpointIO(CheckpointIO):
    """Saves and loads checkpoints as folders; see `ftlab.callbacks.checkpoint_folder`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        """Writes a checkpoint.

        Args:
            checkpoint: What Lightning gathered.
            path: The folder.
            storage_options: Facts for `state.json`.
        """
        checkpoint_folder.write(
            Path(path),
            weights=checkpoint[WEIGHTS],
            training={key: value for key, value in checkpoint.items() if key not in (WEIGHTS, LOOPS)},
            step=checkpoint["global_step"],
            facts=storage_options or {},
        )

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint, always as plain data: a foreign checkpoint can't run code.

        Args:
            path: The folder.
            map_location: Not used: Lightning moves what it restores.
            weights_only: Not used: always true.

        Returns:
            What Lightning restores from.
        """
        weights, training = checkpoint_folder.read(Path(path))
        return {**training, WEIGHTS: weights, LOOPS: {"fit_loop": loops_after(training["global_step"])}}

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes a checkpoint."""
        checkpoint_folder.remove(Path(path))


def loops_after(step: int) -> dict[str, Any]:
    """Lightning's counters behind the hook `on_train_batch_end` of step number `step`, in the run's only epoch.

    One batch short in `completed` is how Lightning itself marks that place: it then neither repeats the batch nor
    validates once more.
    """
    batches = {"ready": step, "started": step, "processed": step, "completed": step - 1}
    epoch = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    updates = {"ready": step, "completed": step}
    zeroings = {"ready": step, "started": step, "completed": step}
    return {
        "epoch_progress": {"total": epoch, "current": epoch},
        "epoch_loop.batch_progress": {"total": batches, "current": batches, "is_last_batch": False},
        "epoch_loop.automatic_optimization.optim_progress": {
            "optimizer": {
                "step": {"total": updates, "current": updates},
                "zero_grad": {"total": zeroings, "current": zeroings},
            }
        },
        "epoch_loop.state_dict": {"_batches_that_stepped": step - 1},
    }
