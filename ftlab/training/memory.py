"""Out of memory: how to recognise it, and how to get the memory back."""

import gc
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn

from ftlab.problem import RunEnded

log = logging.getLogger(__name__)

T = TypeVar("T")

OUT_OF_MEMORY_TEXTS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory")
"""What a `RuntimeError` says that means the same as `torch.OutOfMemoryError`: the driver, cuBLAS and the CPU's
allocator raise the plain class."""


class EvaluationTooLargeError(RunEnded):
    """Not even the smallest piece of an evaluation fits the device's memory."""


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
        torch.cuda.synchronize(device)  # a copy by another stream may still write into what was freed
        torch.cuda.empty_cache()


def halve_until_it_fits(
    run: Callable[[int], T], size: int, *, least: int, device: torch.device, what: str, fix: str
) -> T:
    """Runs something that can be done in smaller pieces, in halves of the size where memory ends.

    Args:
        run: Does all of it in pieces of the given size; from the beginning each time.
        size: To begin with.
        least: Below this, smaller pieces change nothing.
        device: Where it runs.
        what: What the size counts, for the log.
        fix: What to change where nothing helps, as a sentence.

    Returns:
        What `run` returns.

    Raises:
        EvaluationTooLargeError: Memory ended at the least size too.
        RuntimeError: Any other error of `run`.
    """
    while True:
        try:
            return run(size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if size <= least:
                raise EvaluationTooLargeError(
                    f"Out of memory in the evaluation, with {size} {what} at a time. {fix} "
                    "What was trained lies in the run folder's checkpoints."
                ) from error
        release(device)
        smaller = max(least, size // 2)
        log.warning("Out of memory with %d %s at a time: run again with %d.", size, what, smaller)
        size = smaller


def drop_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sets gradients to None: the memory is free, and an optimizer passes these parameters over."""
    for parameter in parameters:
        parameter.grad = None
