"""`Curve`, what a run showed by optimizer step, and `Settings`, what it ran with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Curve:
    """A run by optimizer step. All sequences of steps have one length N; a number that isn't known is NaN.

    Attributes:
        steps: Optimizer steps done, ascending, each once; shape [N].
        losses: Mean NLL a supervised token of that step, in nats; NaN or infinite where it came out so.
        tokens: Supervised tokens of that step; empty where no step tells.
        learning_rates: The rate of the step; empty where no step tells.
        grad_norms: Norm of all gradients before clipping; empty where no step tells. NaN = not measured, or not finite.
        epochs: Passes over the training rows at that step; empty where no step tells.
        held_out: (step, mean NLL a token of held-out rows), ascending by step; step 0 is the model before training.
        skipped: Steps that were left out because loss or gradient was not finite.
    """

    steps: Sequence[int]
    losses: Sequence[float]
    tokens: Sequence[float] = ()
    learning_rates: Sequence[float] = ()
    grad_norms: Sequence[float] = ()
    epochs: Sequence[float] = ()
    held_out: Sequence[tuple[int, float]] = ()
    skipped: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` where the sequences don't go together."""
        for field in fields(self):
            values = getattr(self, field.name)
            if field.name in ("skipped", "held_out") or (not values and field.name not in ("steps", "losses")):
                continue
            if len(values) != len(self.steps):
                raise ValueError(
                    f"`{field.name}` must have one number a step, {len(self.steps)}, but has {len(values)}."
                )
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("`steps` must ascend, each step once.")

    @property
    def is_finite(self) -> bool:
        """Whether every step's loss is a number."""
        return all(math.isfinite(loss) for loss in self.losses)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was set to, as far as it is known: overrides are computed from these values.

    Attributes:
        lr: `optimizer.lr`.
        epochs: `training.epochs`.
        max_steps: `training.max_steps`.
        batch_rows: `training.batch_rows`.
        max_grad_norm: `training.max_grad_norm`; None = not clipped, or not known.
        scheduler: The schedule's name.
        warmup: `scheduler.warmup`: a share of the steps below 1, steps from 1.
        total_steps: Optimizer steps that the run is going to have; None = what the curve has is all.
        method: The training method's name.
        rank: `method.r`, where the method is one of LoRA's family.
        usual_lr: The rate that the method brings for this model; None where the optimizer scales it in its own way.
    """

    lr: float | None = None
    epochs: float | None = None
    max_steps: int | None = None
    batch_rows: int | None = None
    max_grad_norm: float | None = None
    scheduler: str | None = None
    warmup: float | None = None
    total_steps: int | None = None
    method: str | None = None
    rank: int | None = None
    usual_lr: float | None = None
