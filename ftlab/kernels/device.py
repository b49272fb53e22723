"""Where a product or kernel runs, and in which dtype: Triton on CUDA devices that have it, PyTorch on all others."""

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


def product_f32(left: Tensor, right: Tensor) -> Tensor:
    """Left · right; 16-bit factors on CUDA give the float32 sums that the tensor cores have anyway."""
    if left.is_cuda and left.dtype in (torch.bfloat16, torch.float16) and right.shape[1]:
        return torch.mm(left, right, out_dtype=torch.float32)
    return left @ right


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
