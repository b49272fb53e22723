"""What one optimizer step did, as callbacks log it."""

from dataclasses import dataclass

from torch import Tensor

from ftlab.training.step import OomEvent


@dataclass(slots=True)
class StepResult:
    """What one optimizer step did, over all ranks unless it says otherwise.

    Attributes:
        loss: Mean NLL a supervised token, shape [], float32, nats; on the host once the norm is measured.
        tokens: Tokens that reached the model, padding not counted.
        supervised_tokens: Tokens that carried loss.
        row_ids: This rank's rows.
        longest_row: Tokens of the longest of them.
        micro_batches: Forward passes of this rank.
        oom_events: This rank's failures on the way.
        grad_norm: Norm of all gradients before clipping, shape []; None before it is measured.
        idle_s: Seconds that the device waited before this step; None where it isn't known.
        skipped: Whether the update was left out because loss or gradients were not finite.
    """

    loss: Tensor
    tokens: int
    supervised_tokens: int
    row_ids: tuple[int, ...]
    longest_row: int
    micro_batches: int
    oom_events: tuple[OomEvent, ...]
    grad_norm: Tensor | None = None
    idle_s: float | None = None
    skipped: bool = False
