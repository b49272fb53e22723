"""Held-out loss and perplexity from two sums, right under padding, packing and several ranks.

Perplexity = exp(Σ NLL ÷ Σ supervised tokens), both sums over all rows and ranks: a mean of means would weight a
token by how short its batch happens to be. Logits are never kept: the caller's `nll` reduces them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor
from torchmetrics import Metric

IGNORED = -100
"""The target of a position that carries no loss."""


NOTHING_TO_SCORE = (
    "`held-out rows` must have at least one supervised token, but have none. "
    "Give longer rows, or set data.train_on=text."
)


class Scored(Protocol):
    """What `held_out` needs to know of a micro-batch (`ftlab.data.row.MicroBatch` is one)."""

    targets: Tensor
    row_ids: tuple[int, ...]

    def to(self, device: torch.device | str) -> Self:
        """Returns the same rows on `device`."""
        ...


Batch = TypeVar("Batch", bound=Scored)


class Perplexity(Metric):
    """Mean negative log-likelihood a token, in nats, from two float64 sums; see `perplexity` for its exponential.

    The sums stay in float64 whatever dtype the module around them is cast to: Lightning's `bf16-true` casts every
    floating-point state, and bfloat16 holds no more than three digits.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    nll_sum: Tensor
    tokens: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("nll_sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("tokens", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, nll_sum: Tensor, tokens: int | Tensor) -> None:
        """Adds rows.

        Args:
            nll_sum: Σ NLL over their supervised tokens, shape [], nats.
            tokens: How many supervised tokens that is.
        """
        self.nll_sum += nll_sum.detach().to(self.nll_sum)
        self.tokens += tokens

    def compute(self) -> Tensor:
        """Returns Σ NLL ÷ Σ tokens, shape [], float64, nats.

        Raises:
            ValueError: No supervised token was seen on any rank.
        """
        if not self.tokens.item():
            raise ValueError(NOTHING_TO_SCORE)
        return self.nll_sum / self.tokens

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Any = "") -> Self:
        """Moves the sums between devices, but never casts them."""

        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(move, exclude_state)
        return self


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What held-out rows say of a model.

    Attributes:
        loss: Mean NLL a supervised token, nats.
        perplexity: exp(loss); infinite where that overflows.
        tokens: Supervised tokens.
        rows: Rows.
    """

    loss: float
    perplexity: float
    tokens: int
    rows: int


def perplexity(loss: Tensor) -> Tensor:
    """Returns exp(loss) in float64, any shape: infinite, never an error, where it overflows."""
    return loss.double().exp()


def held_out(micro_batches: Iterable[Batch], *, nll: Callable[[Batch], Tensor], device: torch.device | str) -> HeldOut:
    """Scores held-out rows without gradients, one micro-batch at a time.

    Args:
        micro_batches: The rows, laid out to the token budget by `ftlab.data.pack`.
        nll: Σ NLL over the supervised tokens of a micro-batch, shape [], nats.
        device: Where `nll` wants its micro-batches.

    Returns:
        Loss, perplexity and what they were measured on.

    Raises:
        ValueError: The rows hold no supervised token.
    """
    metric = Perplexity(sync_on_compute=False).to(device)
    rows = 0
    with torch.inference_mode():
        for micro in micro_batches:
            tokens = (micro.targets != IGNORED).sum()
            metric.update(nll(micro.to(device)), tokens.to(device))
            rows += len(micro.row_ids)
        if not rows:
            raise ValueError(NOTHING_TO_SCORE)
        loss = metric.compute()
    return HeldOut(loss.item(), perplexity(loss).item(), int(metric.tokens), rows)
