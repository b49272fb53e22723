"""The norm of all gradients, measured once and used twice: for the log and for clipping."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """√(Σ g²) over all gradients, before clipping, shape [], float32 (float64 for float64 gradients).

    A bfloat16 norm would hold three digits, so that each tensor's is taken in float32.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros(())
    wide = torch.promote_types(gradients[0].dtype, torch.float32)
    norms = torch.stack(torch._foreach_norm(gradients, 2, dtype=wide))
    total: Tensor = torch.linalg.vector_norm(norms)
    return total


def clip(parameters: Sequence[nn.Parameter], norm: Tensor, max_norm: float) -> None:
    """Scales all gradients in place so that their norm is at most `max_norm`, without waiting for the device.

    Args:
        parameters: The parameters with their gradients.
        norm: What `gradient_norm` returned.
        max_norm: The limit; positive.
    """
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
