"""What callbacks read of a finished optimizer step: `pl_module.last_step`, which `ftlab.training` makes."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class OomEvent(Protocol):
    """One time that memory ran out and something was run again."""

    @property
    def step(self) -> int:
        """The optimizer step, counted from 1; for an evaluation, the step it followed."""
        ...

    @property
    def phase(self) -> str:
        """What ran: `probe`, `step`, `update` or `evaluation`."""
        ...

    @property
    def recompute(self) -> str | None:
        """The level of recomputation that came into force; None = it stayed as it was."""
        ...

    @property
    def longest_row(self) -> int:
        """Tokens of the step's longest row."""
        ...

    @property
    def budget_before(self) -> int:
        """Tokens of a micro-batch that did not fit."""
        ...

    @property
    def budget_after(self) -> int:
        """Tokens of a micro-batch from then on."""
        ...

    @property
    def allocated(self) -> int:
        """Bytes in tensors when memory ran out."""
        ...

    @property
    def reserved(self) -> int:
        """Bytes that the allocator held when memory ran out."""
        ...


class StepResult(Protocol):
    """What one optimizer step did."""

    @property
    def loss(self) -> Tensor:
        """Mean NLL a supervised token, shape [], nats, on the device."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens that reached the model, padding not counted."""
        ...

    @property
    def supervised_tokens(self) -> int:
        """Tokens that carried loss."""
        ...

    @property
    def row_ids(self) -> tuple[int, ...]:
        """This rank's rows."""
        ...

    @property
    def idle_s(self) -> float | None:
        """Seconds that the device waited before this step; None where it isn't known."""
        ...

    @property
    def grad_norm(self) -> Tensor | None:
        """Norm of all gradients before clipping, shape []; None where it wasn't measured."""
        ...

    @property
    def oom_events(self) -> Sequence[OomEvent]:
        """The step's failures on the way."""
        ...
