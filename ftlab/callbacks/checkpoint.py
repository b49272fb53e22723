"""When checkpoints are saved, and which are kept; how they lie on the disk is `checkpoint_folder`'s."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer, callbacks
from lightning.pytorch.trainer.states import TrainerFn

from ftlab import logger, metric
from ftlab.callbacks import checkpoint_folder
from ftlab.callbacks.interrupt import Interrupt, Interrupted


class Checkpoint(callbacks.Checkpoint):
    """Saves every few steps and after the last one; keeps the newest and the best; ends the run when it is told to.

    Where a step is followed by a validation it is saved after that, with its held-out loss: a checkpoint is then
    whole in the sense that all of its step is done. Lightning runs callbacks of this kind after all others.

    Args:
        folder: Where checkpoints lie.
        every_steps: Optimizer steps between checkpoints.
        eval_every_steps: Optimizer steps between validations, as the trainer has it.
        keep: How many of the newest stay, beside the best one; at least 1.
        facts: Goes into each `state.json`: seed, total steps, hash of the configuration.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        every_steps: int,
        eval_every_steps: int,
        keep: int,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("checkpoint_every_steps", every_steps), ("keep_checkpoints", keep)):
            if value < 1:
                raise ValueError(f"`training.{name}` must be at least 1, but is {value}.")
        self.folder = Path(folder)
        self._every_steps = every_steps
        self._eval_every_steps = eval_every_steps
        self._keep = keep
        self._facts = dict(facts or {})
        self._interrupt = Interrupt()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Clears away what a killed run left half-written."""
        if stage == "fit" and trainer.is_global_zero:
            checkpoint_folder.clean(self.folder)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins to listen for Ctrl-C and SIGTERM; Lightning has set up its own listener by now."""
        self._interrupt.watch()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves a step that no validation follows."""
        if not self._is_validated(trainer):
            self._end_step(trainer, val_loss=None)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves a step that was validated."""
        if trainer.state.fn == TrainerFn.FITTING and trainer.global_step > 0:
            self._end_step(trainer, val_loss=trainer.callback_metrics[metric.VAL_LOSS].item())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listens no more; Lightning's own listener is back, which it takes away after this."""
        self._interrupt.unwatch()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Listens no more."""
        self._interrupt.unwatch()

    def _is_validated(self, trainer: Trainer) -> bool:
        return trainer.enable_validation and (
            trainer.global_step % self._eval_every_steps == 0 or self._is_last(trainer)
        )

    def _is_last(self, trainer: Trainer) -> bool:
        return trainer.global_step >= trainer.num_training_batches

    def _end_step(self, trainer: Trainer, val_loss: float | None) -> None:
        """Saves if it is time, and ends the run if it was told to end on any rank.

        Raises:
            Interrupted: The run was told to end.
        """
        step = trainer.global_step
        told = trainer.strategy.reduce_boolean_decision(self._interrupt.signal_name is not None, all=False)
        if told or step % self._every_steps == 0 or self._is_last(trainer):
            self._save(trainer, step, val_loss)
        if told and not self._is_last(trainer):
            raise Interrupted(self._interrupt.signal_name or "a signal to another rank", step)

    def _save(self, trainer: Trainer, step: int, val_loss: float | None) -> None:
        logger.flush(trainer)
        facts = {"val_loss": val_loss, **self._facts}
        trainer.save_checkpoint(
            self.folder / checkpoint_folder.folder_name(step), weights_only=False, storage_options=facts
        )
        if trainer.is_global_zero:
            checkpoint_folder.prune(self.folder, self._keep)
