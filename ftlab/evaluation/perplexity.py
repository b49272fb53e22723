"""Held-out loss and perplexity from sums, right under padding, packing and several ranks.

Perplexity = exp(Σ NLL ÷ Σ tokens), both sums over all rows and ranks: a mean of means would weight a token by how short
its batch happens to be. Two sums of each row are kept, on its supervised tokens (the answers) and on all its tokens
(the text); `ftlab.evaluation.breakdown` makes everything else of them. Logits are never kept: the caller's `sums`
reduces them.

Shape letters: R rows.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from ftlab.evaluation.bootstrap import Floats, interval

NOTHING_TO_SCORE = (
    "`held-out rows` must have at least one supervised token, but have none. "
    "Give longer rows, or set data.train_on=text."
)


class Scored(Protocol):
    """What `measure` needs to know of a micro-batch (`ftlab.data.row.MicroBatch` is one)."""

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
class RowSums:
    """What is kept of each held-out row: Σ NLL in nats and how many tokens that is.

    Attributes:
        ids: The row's number, ascending; the parts of a split row are one row here. [R] int64.
        lengths: All its tokens. [R] int64.
        answer_nll: Over its supervised tokens. [R] float64.
        answer_tokens: How many they are. [R] int64.
        text_nll: Over all tokens but the first, which nothing predicts. [R] float64.
        text_tokens: How many they are. [R] int64.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    answer_nll: Floats
    answer_tokens: NDArray[np.int64]
    text_nll: Floats
    text_tokens: NDArray[np.int64]

    def at(self, chosen: NDArray[np.bool_]) -> "RowSums":
        """Returns the rows where `chosen` [R] is true."""
        return RowSums(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Figure:
    """Loss and perplexity over rows.

    Attributes:
        loss: Σ NLL ÷ Σ tokens, nats.
        perplexity: exp(loss); None where that isn't finite.
        low: Lower end of the 95 % bootstrap interval of the perplexity over rows; None for fewer than two rows.
        high: Its upper end.
        rows: Rows with at least one scored token.
        tokens: Scored tokens.
    """

    loss: float | None
    perplexity: float | None
    low: float | None
    high: float | None
    rows: int
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def perplexity(loss: Tensor) -> Tensor:
    """Returns exp(loss) in float64, any shape: infinite, never an error, where it overflows."""
    return loss.double().exp()


def measure(micro_batches: Iterable[Batch], *, sums: Callable[[Batch], Tensor], device: torch.device | str) -> RowSums:
    """Scores held-out rows without gradients, one micro-batch at a time.

    Args:
        micro_batches: The rows, laid out to the token budget by `ftlab.data.pack`.
        sums: From a micro-batch to [R, 4], float64: Σ NLL and tokens of each row's answers, then of its text.
        device: Where `sums` wants its micro-batches.

    Returns:
        The sums of each row.

    Raises:
        ValueError: The rows hold no supervised token.
    """
    ids: list[int] = []
    parts: list[Tensor] = []
    with torch.inference_mode():
        for micro in micro_batches:
            parts.append(sums(micro.to(device)))
            ids.extend(micro.row_ids)
        values_R4 = torch.cat(parts).cpu().numpy() if parts else np.zeros((0, 4))
    if not values_R4[:, 1].sum():
        raise ValueError(NOTHING_TO_SCORE)
    known, places, counts = np.unique(np.asarray(ids, np.int64), return_inverse=True, return_counts=True)
    merged_R4 = np.zeros((len(known), 4))
    np.add.at(merged_R4, places, values_R4)
    answer_nll, answer_tokens, text_nll, text_tokens = merged_R4.T
    lengths = text_tokens.astype(np.int64) + counts
    return RowSums(known, lengths, answer_nll, answer_tokens.astype(np.int64), text_nll, text_tokens.astype(np.int64))


def figure(nll: Floats, tokens: NDArray[np.int64]) -> Figure | None:
    """Returns loss and perplexity with their interval.

    Args:
        nll: Σ NLL of each row, [R], nats.
        tokens: Over how many tokens, [R].

    Returns:
        The figure; None where no row has a scored token.
    """
    scored = tokens > 0
    values_R2 = np.stack([nll[scored], tokens[scored].astype(np.float64)], axis=1)
    if not len(values_R2):
        return None
    loss = float(values_R2[:, 0].sum() / values_R2[:, 1].sum())
    ends = interval(values_R2, lambda sums: sums[:, 0] / sums[:, 1]) if math.isfinite(loss) else None
    low, high = (None, None) if ends is None else map(_exp, ends)
    return Figure(
        loss=loss if math.isfinite(loss) else None,
        perplexity=_exp(loss),
        low=low,
        high=high,
        rows=len(values_R2),
        tokens=int(values_R2[:, 1].sum()),
    )


def _exp(loss: float) -> float | None:
    """The perplexity, where it is a number that JSON has."""
    try:
        found = math.exp(loss)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
