"""What the processes of a data-parallel run agree on. Alone, every function is the identity.

Each rank runs its own micro-batches, as many as it needs: nothing is exchanged while gradients are made. Then one
flag says whether all ranks came through, and gradients are added up once a step. torch's own reducer would wait
inside backward for the ranks that ran out of memory.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

BUCKET_BYTES = 64 * 2**20
"""Gradients are added up in buffers of about this size: few calls, little extra memory."""


def is_distributed() -> bool:
    """Whether this process is one of several."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def total(values: Tensor) -> Tensor:
    """Returns the sum over all ranks, elementwise, any shape; `values` may be overwritten."""
    if is_distributed():
        dist.all_reduce(values, op=dist.ReduceOp.SUM)
    return values


def total_counts(counts: Sequence[int], device: torch.device) -> list[int]:
    """Returns the sums over all ranks; alone, without touching the device."""
    if not is_distributed():
        return list(counts)
    return total(torch.tensor(counts, dtype=torch.int64, device=device)).tolist()  # type: ignore[no-any-return]


def highest(value: int, device: torch.device) -> int:
    """Returns the highest of all ranks' values."""
    if not is_distributed():
        return value
    flag = torch.tensor(value, device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return int(flag)


def gathered(value: T) -> list[T]:
    """Returns all ranks' values, in the order of the ranks."""
    if not is_distributed():
        return [value]
    values: list[T | None] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def sum_gradients(parameters: Sequence[nn.Parameter], device: torch.device) -> None:
    """Adds up the gradients of all ranks in place; a rank that has none counts as zero.

    A parameter without a gradient on any rank stays without, as it would in one process.

    Args:
        parameters: The trainable parameters, in the same order on all ranks.
        device: Where the gradients are.
    """
    if not is_distributed():
        return
    has_gradient = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8, device=device)
    dist.all_reduce(has_gradient, op=dist.ReduceOp.MAX)
    gradients = []
    for parameter, used in zip(parameters, has_gradient.tolist(), strict=True):
        if used and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if parameter.grad is not None:
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        dist.all_reduce(flat, op=dist.ReduceOp.SUM)
        for gradient, summed in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(summed.view_as(gradient))


def _buckets(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Neighbours of one dtype, together about `BUCKET_BYTES`."""
    buckets: list[list[Tensor]] = []
    filled = 0
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if not buckets or buckets[-1][0].dtype != tensor.dtype or filled + size > BUCKET_BYTES:
            buckets.append([])
            filled = 0
        buckets[-1].append(tensor)
        filled += size
    return buckets
