"""The loss and a whole training run, written the slow and obvious way: plain Transformers, one row at a time.

Nothing of ftlab is used but the row's fields. Autocast, packing, chunks and Lightning have no part in it.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ftlab.data.row import EncodedRow


def row_nll(model: nn.Module, row: EncodedRow) -> Tensor:
    """−Σ log p over the supervised tokens of one row, from all of its logits."""
    logits = model(input_ids=row.ids[None]).logits[0, -len(row) :]
    log_p = logits.double() - torch.logsumexp(logits.double(), dim=-1, keepdim=True)
    total = torch.zeros((), dtype=torch.float64)
    for place in range(1, len(row)):
        if row.supervised[place]:
            total = total - log_p[place - 1, row.ids[place]]
    return total


def supervised_tokens(rows: Sequence[EncodedRow]) -> int:
    """Tokens that carry loss."""
    return sum(int(row.supervised[place]) for row in rows for place in range(1, len(row)))


def train(
    model: nn.Module,
    steps: Sequence[Sequence[EncodedRow]],
    *,
    lr: float,
    weight_decay: float,
    max_grad_norm: float,
    warmup_steps: int,
    eps: float,
) -> Iterator[tuple[float, float]]:
    """Trains with AdamW under a cosine schedule, and yields the loss and the unclipped gradient norm of each step."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for _, p in named if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for _, p in named if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=lr,
        eps=eps,
        foreach=False,
    )
    model.train()
    for number, rows in enumerate(steps):
        if number < warmup_steps:
            factor = (number + 1) / warmup_steps
        else:
            factor = 0.5 * (1 + math.cos(math.pi * (number - warmup_steps) / (len(steps) - warmup_steps)))
        for group in optimizer.param_groups:
            group["lr"] = lr * factor
        optimizer.zero_grad()
        loss = sum(row_nll(model, row) for row in rows) / supervised_tokens(rows)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], max_grad_norm)
        optimizer.step()
        yield loss.item(), norm.item()
