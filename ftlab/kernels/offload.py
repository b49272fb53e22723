"""The inputs of layers wait in pinned RAM between forward and backward, copied while the device computes.

Where a layer is run again as a whole, or in two halves, inputs are all that it keeps; for all layers together they
are the largest thing left on the device. Here each input leaves by a stream of its own as soon as it is read, and
returns while the layer behind it is passed. Values are copied, so gradients stay the same, bit for bit.

The device's allocator reuses memory in the order of the computing stream. So before an input's memory is given back,
that stream waits for the copy; and before memory is filled, the copying stream waits for what was queued until then.
On a CPU nothing is moved.
"""

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

IN_FLIGHT = 2
"""Inputs that may still be leaving; the next one to come waits until the oldest has left."""
LEAST_ELEMENTS = 2**14
"""Smaller tensors stay: `checkpoint` keeps an empty one of its own."""


class _Kept:
    """An input of a layer.

    Attributes:
        host: Its values in pinned RAM.
        here: Its values on the device; None while it is away.
        copied: When the last copy, either way, was done.
        before: The input that was kept before it: backward asks for that one next.
    """

    def __init__(self, here: Tensor, before: "weakref.ref[_Kept] | None") -> None:
        self.host = torch.empty(here.shape, dtype=here.dtype, pin_memory=True)
        self.here: Tensor | None = here
        self.copied = torch.cuda.Event()
        self.before = before


class Offload:
    """Keeps tensors that autograd saves inside `inputs` in RAM, until backward comes near them.

    One object serves all layers of a model, whose order it learns in forward.
    """

    def __init__(self) -> None:
        self._leaving: deque[_Kept] = deque()
        self._last: weakref.ref[_Kept] | None = None
        self._stream: torch.cuda.Stream | None = None

    @contextmanager
    def inputs(self) -> Iterator[None]:
        """Inside, large tensors that are saved on a GPU move; wrap the call of `checkpoint`, not what it runs."""
        with torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack):
            yield

    def _pack(self, tensor: Tensor) -> "Tensor | _Kept":
        if not tensor.is_cuda or tensor.numel() < LEAST_ELEMENTS:
            return tensor
        kept = _Kept(tensor.detach(), self._last)
        with self._copying(tensor.device):
            kept.host.copy_(tensor, non_blocking=True)
            kept.copied.record()
        self._leaving.append(kept)
        self._last = weakref.ref(kept)
        while len(self._leaving) > IN_FLIGHT:
            left = self._leaving.popleft()
            torch.cuda.current_stream().wait_event(left.copied)
            left.here = None
        return kept

    def _unpack(self, kept: "Tensor | _Kept") -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        here = self._bring(kept)
        torch.cuda.current_stream().wait_event(kept.copied)
        kept.here = None  # whoever asked holds it now
        before = None if kept.before is None else kept.before()
        if before is not None:
            self._bring(before)
        return here

    def _bring(self, kept: _Kept) -> Tensor:
        """Begins to copy an input back, unless it is there or on its way."""
        if kept.here is None:
            kept.here = torch.empty_like(kept.host, device="cuda")
            with self._copying(kept.here.device):
                kept.here.copy_(kept.host, non_blocking=True)
                kept.copied.record()
        return kept.here

    @contextmanager
    def _copying(self, device: torch.device) -> Iterator[None]:
        """The copying stream, behind all that is queued now."""
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            yield
