"""Ends the run of a search that does no better than others did by then; does nothing in other runs."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from ftlab import metric
from hydra_plugins.hydra_ftlab_optuna import trial


class Pruned(Exception):  # no error: the run did what it was told
    """The search has ended the run: others had a lower held-out loss by then.

    Attributes:
        step: Optimizer steps done.
        val_loss: The held-out loss after that step.
    """

    def __init__(self, step: int, val_loss: float) -> None:
        super().__init__(f"Pruned after step {step}: others did better by then than a held-out loss of {val_loss:.4f}.")
        self.step = step
        self.val_loss = val_loss


class Prune(Callback):
    """Tells the search the held-out loss of each evaluation, and ends the run where the search says so.

    The search compares by the number of the evaluation, not by the step: runs with larger batches have fewer steps, and
    still as many evaluations. The last evaluation isn't told: the run is done by then, and returns its loss.

    Args:
        eval_every_steps: Optimizer steps between evaluations.
    """

    def __init__(self, eval_every_steps: int) -> None:
        self._eval_every_steps = eval_every_steps

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells the loss, and ends the run on all ranks.

        Raises:
            Pruned: The search wants no more of this run.
        """
        step = trainer.global_step
        is_between = 0 < step < trainer.num_training_batches
        if trainer.state.fn != TrainerFn.FITTING or not is_between or not trial.is_watched():
            return
        val_loss = trainer.callback_metrics[metric.VAL_LOSS].item()
        told = trainer.is_global_zero and trial.report(val_loss, step=step // self._eval_every_steps)
        if trainer.strategy.reduce_boolean_decision(told, all=False):
            raise Pruned(step, val_loss)
