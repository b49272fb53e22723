"""Where a kernel runs: Triton for tensors on a CUDA device that has it, plain PyTorch for all others."""

import importlib.util
from functools import cache

import torch
from torch import Tensor


def uses_triton(tensor: Tensor) -> bool:
    """Whether Triton kernels take this tensor."""
    return tensor.is_cuda and _has_triton()


def keeps_dtype(tensor: Tensor) -> bool:
    """Whether products with this tensor run in its own dtype: autocast is off, or casts to that very dtype."""
    device = tensor.device.type
    return not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) == tensor.dtype


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
