"""What callbacks read of a finished optimizer step; `ftlab.training` makes it, `pl_module.last_step` holds it."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class OomEvent(Protocol):
    """A step that was run again with smaller micro-batches."""

    @property
    def step(self) -> int:
        """The optimizer step, counted from 1."""
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
        """Tokens of a micro-batch from now on."""
        ...

    @property
    def allocated_bytes(self) -> int:
        """Bytes in use by tensors when memory ran out."""
        ...

    @property
    def reserved_bytes(self) -> int:
        """Bytes held by the allocator when memory ran out."""
        ...


class StepResult(Protocol):
    """The outcome of one optimizer step."""

    @property
    def loss(self) -> Tensor:
        """Mean NLL a supervised token, shape [], nats."""
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
    def grad_norm(self) -> Tensor | None:
        """Euclidean norm of all gradients before clipping, shape []."""
        ...

    @property
    def skipped(self) -> bool:
        """Whether the update was left out because loss or gradient was not finite."""
        ...

    @property
    def oom_events(self) -> Sequence[OomEvent]:
        """The step's retries."""
        ...
