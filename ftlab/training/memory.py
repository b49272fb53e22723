"""Out of memory: how to recognise it, and how to get the memory back."""

import gc
from collections.abc import Iterable

import torch
from torch import nn

OUT_OF_MEMORY_TEXTS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory")
"""What a `RuntimeError` says that means the same as `torch.OutOfMemoryError`: the driver, cuBLAS and the CPU's
allocator raise the plain class."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that the device or the machine has no memory left.

    >>> is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    True
    >>> is_out_of_memory(RuntimeError("shape mismatch"))
    False
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)


def allocated_bytes(device: torch.device) -> tuple[int, int]:
    """Bytes in tensors and bytes held by PyTorch's allocator; zeros where the device has no such counters."""
    if device.type != "cuda":
        return 0, 0
    return torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)


def release(device: torch.device) -> None:
    """Frees what nothing refers to any more. Call it outside of `except`: a traceback keeps its tensors alive."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def drop_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sets gradients to None: the memory is free, and an optimizer passes these parameters over."""
    for parameter in parameters:
        parameter.grad = None
