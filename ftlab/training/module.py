"""Lightning's view of a run: one batch is all rows of one optimizer step.

Automatic optimization stays, and with it Lightning's clipping hook, precision and `global_step`. `training_step`
only takes the rows; the work is done where Lightning calls `backward`, after it set the gradients to None, by the
`StepRunner`. One Lightning epoch is the whole run.

In: rows. Out: trained weights, and `last_step`, which callbacks log. What must not be here: files and loggers.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

import lightning as L
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.optim import Optimizer

from ftlab import logger, metric
from ftlab.data.row import EncodedRow, Layout, MicroBatch
from ftlab.evaluation.perplexity import Perplexity, perplexity
from ftlab.kernels.attention import packed_attention
from ftlab.kernels.recompute import NONE, Recompute
from ftlab.optimizer.build import build_optimizer
from ftlab.optimizer.schedule import Schedule
from ftlab.training import rank
from ftlab.training.gradient import clip, gradient_norm
from ftlab.training.idle import IdleClock
from ftlab.training.ladder import Ladder
from ftlab.training.loss import sum_nll
from ftlab.training.memory import drop_gradients, is_out_of_memory
from ftlab.training.probe import Probe
from ftlab.training.result import StepResult
from ftlab.training.seed import seed_step
from ftlab.training.skipped import SkippedSteps
from ftlab.training.step import OomEvent, StepRunner
from ftlab.training.update import Update


class StepHooks(Protocol):
    """What a training method does in a step beside its forward pass (`ftlab.method.method.Method`)."""

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """A term added to the mean loss of a step."""
        ...

    def after_step(self, model: nn.Module, step: int) -> None:
        """Called after the update, while the gradients are still there; `step` counts this one."""
        ...

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the trained weights."""
        ...

    def restore(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave."""
        ...


class NegativeLogLikelihood(Protocol):
    """Σ NLL of a micro-batch with its graph, shape []."""

    def __call__(self, model: nn.Module, micro: MicroBatch) -> Tensor:
        """Runs the model forward."""
        ...


class TrainModule(L.LightningModule):
    """Trains what is trainable in a model.

    Args:
        model: The model as the training method left it.
        method: The method's part in a step.
        optimizer: An optimizer class with its settings.
        schedule: Factor of the learning rate by step.
        total_steps: Optimizer steps of the run; the last one is always followed by a validation.
        layout: How rows share a micro-batch.
        micro_batch_tokens: Tokens of a forward pass on one device, to begin with.
        pad_id: What fills the places behind a row's end.
        seed: The run's seed: dropout is a function of it and the step.
        lr_multipliers: Factors of the learning rate by part of the parameter's name.
        max_skipped_steps: Steps that may be left out in the whole run because of values that are not finite.
        nll: The loss of a micro-batch.
        recompute: What the model follows already.
        probe: Rows of the largest step, of all ranks: they run once before training, without a trace, so that memory
            ends in the first minute if it does. None are needed.
        probe_bytes: What the optimizer's states are going to take: held while the probe runs.
        advice: What to change where memory ends for good, as sentences.

    Attributes:
        last_step: The outcome of the last step, complete when `on_train_batch_end` is called.
        evaluation_events: Where memory ended in evaluations; whoever tells of them empties the list.
        runner: Holds the micro-batch budget in force.
        ladder: Holds the level of recomputation in force.
        skipped: The steps left out so far.
    """

    last_step: StepResult

    def __init__(
        self,
        model: nn.Module,
        *,
        method: StepHooks,
        optimizer: "partial[Optimizer]",
        schedule: Schedule,
        total_steps: int,
        layout: Layout,
        micro_batch_tokens: int,
        pad_id: int,
        seed: int,
        lr_multipliers: Mapping[str, float] | None = None,
        max_skipped_steps: int = 3,
        nll: NegativeLogLikelihood = sum_nll,
        recompute: Recompute = NONE,
        probe: Sequence[EncodedRow] = (),
        probe_bytes: int = 0,
        advice: str = "",
    ) -> None:
        super().__init__()
        self.strict_loading = False  # a checkpoint holds what was trained, not the frozen base
        self.model = model
        self.perplexity = Perplexity()
        self.ladder = Ladder(model, recompute)
        self.runner = StepRunner(
            nll=self._forward,
            layout=layout,
            micro_batch_tokens=micro_batch_tokens,
            pad_id=pad_id,
            lighten=self.ladder.rise,
            advice=advice,
        )
        self.evaluation_events: list[OomEvent] = []
        self.skipped = SkippedSteps(max_skipped_steps)
        self._method = method
        self._factory = optimizer
        self._schedule = schedule
        self._total_steps = total_steps
        self._layout: Layout = layout
        self._seed = seed
        self._lr_multipliers = lr_multipliers
        self._nll = nll
        self._probe = Probe(probe)
        self._probe_bytes = probe_bytes
        self._early_events: tuple[OomEvent, ...] = ()
        self._update: Update | None = None
        self._idle = IdleClock()
        self._rows: list[EncodedRow] = []
        self._base_rates: list[float] = []

    def setup(self, stage: str) -> None:
        """Puts the model into training mode (Transformers loads it in evaluation mode) and sets its attention."""
        if stage == "fit":
            self.train()
        if self._layout == "packed":
            packed_attention(self.model)

    def configure_optimizers(self) -> Optimizer:
        """Builds the optimizer; the schedule needs no object of its own."""
        optimizer = build_optimizer(
            self._factory,
            self.model.named_parameters(),
            lr_multipliers=self._lr_multipliers,
            fused=self._scaler() is None,
        )
        self._base_rates = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    # One step, in the order in which Lightning calls.

    def on_train_start(self) -> None:
        """Rehearses the largest step; validates before the first update, so that curves begin at step 0."""
        optimizer = self._optimizer()
        if hasattr(optimizer, "settle"):  # `ftlab.optimizer.flat`: states of a checkpoint
            optimizer.settle()
        if self._probe.rows:
            self._early_events = self._probe.run(
                self.runner,
                rank=self.global_rank,
                world_size=self.trainer.world_size,
                step=self.global_step,
                device=self.device,
                held_bytes=0 if optimizer.state else self._probe_bytes,  # a resumed run has its states already
                begin=self._begin_attempt,
                backward=lambda nll: self._scaled(nll).backward(),
            )
        if self.global_step == 0:
            self._validate()

    def on_train_batch_start(self, batch: list[EncodedRow], batch_idx: int) -> None:
        """Sets the learning rates of this step."""
        factor = self._schedule(self.global_step)
        for group, base in zip(self._optimizer().param_groups, self._base_rates, strict=True):
            group["lr"] = base * factor

    def training_step(self, batch: list[EncodedRow], batch_idx: int) -> Tensor:
        """Takes the rows; Lightning wants a loss, and gets one that nothing hangs on."""
        self._rows = batch
        return torch.zeros((), device=self.device, requires_grad=True)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Runs all micro-batches of the step, and adds up the gradients of all ranks.

        The loss is Σ NLL ÷ supervised tokens, both over the whole step and all ranks: neither the micro-batches nor
        the ranks can change it.
        """
        rows, self._rows = self._rows, []
        tokens, supervised = rank.total_counts([sum(map(len, rows)), sum(r.targets_count for r in rows)], self.device)
        sums = self.runner.run(
            rows,
            step=self.global_step,
            device=self.device,
            begin=self._begin_attempt,
            backward=lambda nll: self._scaled(nll / supervised).backward(),
        )
        extra = self._method.extra_loss(self.model)
        if extra is not None:
            self._scaled(extra / self.trainer.world_size).backward()
        rank.sum_gradients(self._trained, self.device)
        self.last_step = StepResult(
            loss=rank.total(sums.nll) / supervised,
            tokens=tokens,
            supervised_tokens=supervised,
            row_ids=tuple(row.id for row in rows),
            longest_row=max(map(len, rows), default=0),
            micro_batches=sums.micro_batches,
            oom_events=(*self._early_events, *sums.oom_events),
        )
        self._early_events = ()

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Measures the norm once, and clips by it, or leaves the update out where something is not finite."""
        parameters = self._gathered()
        step = self.last_step
        norm = gradient_norm(parameters).to(self.device)
        if gradient_clip_val:
            clip(parameters, norm, gradient_clip_val)
        # The step's one wait for the device: afterwards both are on the host, and logging them waits for nothing.
        step.grad_norm, step.loss = torch.stack([norm.to(step.loss.dtype), step.loss]).cpu().unbind()
        if not bool(torch.isfinite(step.grad_norm + step.loss)):
            self._skip(parameters)
        step.idle_s = self._idle.pause_s()
        assert self._update is not None
        self._update.ready()

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Runs the step and the update, then what the method does after it."""
        step = self.global_step + 1
        self._update = Update(self._optimizer(), self._trained, self.device)
        run = partial(super().optimizer_step, epoch, batch_idx, optimizer, optimizer_closure)
        memory = self._update.run(run)
        self._idle.work_ends(self.device)
        if memory is not None:
            longest, tokens = self.last_step.longest_row, self.runner.micro_batch_tokens
            event = OomEvent(step, "update", longest, tokens, tokens, None, *memory)
            self.last_step.oom_events = (*self.last_step.oom_events, event)
        if not self.last_step.skipped:
            self._method.after_step(self.model, self.global_step + 1)

    def on_train_batch_end(self, outputs: STEP_OUTPUT, batch: list[EncodedRow], batch_idx: int) -> None:
        """After the last step Lightning is told to stop: it then validates, whatever the interval says."""
        if self.global_step >= self._total_steps:
            self.trainer.should_stop = True

    # Validation.

    def on_validation_start(self) -> None:
        """An evaluation is no pause."""
        self._idle.forget()

    def validation_step(self, batch: list[EncodedRow], batch_idx: int) -> None:
        """Scores a chunk of held-out rows."""
        self.evaluation_events += self.runner.evaluate(
            batch, step=self.global_step, device=self.device, use=self._score
        )

    def on_validation_epoch_end(self) -> None:
        """Logs loss and perplexity over all chunks and ranks."""
        loss = self.perplexity.compute()
        self.perplexity.reset()
        values = {metric.VAL_LOSS: loss, metric.VAL_PERPLEXITY: perplexity(loss)}
        self.log_dict(values, batch_size=1, sync_dist=True, logger=False)  # callbacks read these
        logger.log(self.trainer, values, self.global_step)

    # The state that a checkpoint holds.

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The trained weights, and nothing of the frozen base."""
        return {f"model.{name}": p.detach() for name, p in self.model.named_parameters() if p.requires_grad}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Takes the trained weights.

        Raises:
            ValueError: They are not the ones that this run trains.
        """
        if difference := sorted(set(state_dict) ^ set(self.state_dict())):
            raise ValueError(
                "The checkpoint must hold the weights that this run trains, but they differ in "
                f"{len(difference)}, for example {difference[0]!r}. Resume with the method that wrote it."
            )
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what the next steps depend on beside weights and optimizer."""
        checkpoint["training"] = {
            "seed": self._seed,
            "runner": self.runner.state(),
            "recompute": self.ladder.state(),
            "skipped_rows": self.skipped.rows,
            "method": self._method.state(self.model),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes that back."""
        state = checkpoint["training"]
        self._seed = state["seed"]
        self.runner.restore(state["runner"])
        self.ladder.restore(state["recompute"])
        self.skipped.rows = state["skipped_rows"]
        self._method.restore(self.model, state["method"])

    def cpu(self) -> "TrainModule":
        """Stays where it is: Lightning calls this after a fit, but the evaluation that follows wants the device."""
        return self

    # Parts of the above.

    def _forward(self, micro: MicroBatch) -> Tensor:
        if torch.is_grad_enabled():
            self._idle.work_begins(self.device)
        with self.trainer.precision_plugin.forward_context():
            return self._nll(self.model, micro)

    def _score(self, rows: Sequence[EncodedRow], nll: Tensor) -> None:
        self.perplexity.update(nll, sum(row.targets_count for row in rows))

    def _begin_attempt(self) -> None:
        drop_gradients(self._trained)
        seed_step(self._seed, self.global_step, self.global_rank)

    @cached_property
    def _trained(self) -> list[nn.Parameter]:
        """Looked up once: walking through all modules takes milliseconds, four times a step."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _gathered(self) -> list[nn.Parameter]:
        """What holds gradients: few long tensors where the optimizer joins its weights, instead of hundreds.

        Where memory ends in joining them, the rest stays where it is: the update tries again.
        """
        optimizer = self._optimizer()
        if not hasattr(optimizer, "gather"):  # `ftlab.optimizer.flat`
            return self._trained
        try:
            optimizer.gather()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        return [parameter for group in optimizer.param_groups for parameter in group["params"]] + self._trained

    def _optimizer(self) -> Optimizer:
        return self.trainer.optimizers[0]

    def _scaler(self) -> "torch.amp.GradScaler | None":
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _scaled(self, loss: Tensor) -> Tensor:
        """The loss as backward needs it: float16 keeps small gradients by a factor that is divided out again."""
        scaler = self._scaler()
        return loss if scaler is None else scaler.scale(loss)

    def _skip(self, parameters: Sequence[nn.Parameter]) -> None:
        """Leaves the update out: without gradients an optimizer changes no weight and no moment.

        Raises:
            NonFiniteError: That happened too often.
        """
        step = self.last_step
        step.skipped = True
        scaler = self._scaler()
        if scaler is not None and bool(torch.isfinite(step.loss)) and scaler.get_scale() > 1:
            return  # float16 ran over: the scaler leaves the update out itself, and lowers its factor
        drop_gradients(parameters)
        what = "loss" if not bool(torch.isfinite(step.loss)) else "gradient"
        self.skipped.add(self.global_step + 1, sum(rank.gathered(step.row_ids), ()), what=what)

    def _validate(self) -> None:
        """Runs the validation loop from inside the fit loop, as Lightning does between steps."""
        trainer = self.trainer
        if not trainer.enable_validation:
            return
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.run()
        trainer.training = True
