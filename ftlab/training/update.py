"""The update, run again where memory ends in it.

An optimizer makes its states in the first update, when gradients are there and activations are gone. If they don't
fit, nothing has been changed yet: what was begun is dropped, cached memory is given back, and the update runs once
more. What must not be here: forward, backward, clipping.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ftlab.problem import RunEnded
from ftlab.training.memory import allocated_bytes, is_out_of_memory, release


class UpdateTooLargeError(RunEnded):
    """Weights, gradients and the optimizer's states together don't fit the device's memory."""


class HalfUpdateError(RunEnded):
    """Memory ended in the middle of an update: some weights have changed, others have not."""


class Update:
    """Watches one update.

    Args:
        optimizer: What updates.
        parameters: What it may change.
        device: Where.
    """

    def __init__(self, optimizer: Optimizer, parameters: Iterable[Tensor], device: torch.device) -> None:
        self._optimizer = optimizer
        self._parameters = list(parameters)
        self._device = device
        self._known = set(optimizer.state)
        self._versions = [parameter._version for parameter in self._parameters]
        self._counts = self._updates()
        self.is_due = False

    def ready(self) -> None:
        """Called when all gradients are there: from now on only the update can run out of memory."""
        self.is_due = True
        make_states(self._optimizer)

    def run(self, step: Callable[[], None]) -> tuple[int, int] | None:
        """Runs a step that ends with the update; the update runs again if memory ends in it.

        Args:
            step: Forward, backward, clipping and update; calls `ready` before the update.

        Returns:
            Bytes allocated and reserved when memory ended; None if it didn't.

        Raises:
            UpdateTooLargeError: It ended again.
            HalfUpdateError: It ended after weights had changed.
        """
        memory = self._attempt(step)
        if memory is None:
            return None
        if self._has_changed_some():
            raise HalfUpdateError(
                "Out of memory in the middle of an update. Go on from the last checkpoint (resume=auto) with an "
                "optimizer that holds less, such as optimizer=paged-adamw-8bit."
            )
        self._forget()
        if self._attempt(self._again) is not None:
            raise UpdateTooLargeError(
                f"Out of memory in the update: weights, gradients and the optimizer's states don't fit together"
                f"{_held(memory)}. Set optimizer=paged-adamw-8bit, whose states move to RAM, or choose a method that "
                "trains fewer weights (method=lora, method=qlora). `task=plan` shows what each would save."
            )
        return memory

    def _has_changed_some(self) -> bool:
        """Whether a weight was updated already.

        PyTorch counts changes of a tensor, but not those by bitsandbytes' kernels; that counts updates itself.
        """
        if [parameter._version for parameter in self._parameters] != self._versions:
            return True
        return any(count > self._counts.get(key, 0) for key, count in self._updates().items())

    def _updates(self) -> dict[Any, int]:
        """Updates of each weight so far, by bitsandbytes' count."""
        if not hasattr(self._optimizer, "init_state"):
            return {}
        return {key: int(state["step"]) for key, state in self._optimizer.state.items() if "step" in state}

    def _attempt(self, step: Callable[[], None]) -> tuple[int, int] | None:
        try:
            step()
        except RuntimeError as error:
            if not (self.is_due and is_out_of_memory(error)):
                raise
            memory = allocated_bytes(self._device)
        else:
            return None
        release(self._device)
        return memory

    def _again(self) -> None:
        make_states(self._optimizer)
        self._optimizer.step()

    def _forget(self) -> None:
        """Drops states that were begun: an optimizer takes a half-made one for whole."""
        for parameter in [key for key in self._optimizer.state if key not in self._known]:
            del self._optimizer.state[parameter]
        release(self._device)


def make_states(optimizer: Optimizer) -> None:
    """Makes all states before the first weight changes; the optimizers themselves would do it on the way.

    Args:
        optimizer: One of torch's, or of bitsandbytes' (`optimizer.flat` too); others are left alone.
    """
    inner: Any = optimizer
    if hasattr(inner, "_init_group"):
        lists = len(inspect.signature(inner._init_group).parameters) - 1
        for group in optimizer.param_groups:
            inner._init_group(group, *([] for _ in range(lists)))
    if not hasattr(inner, "init_state"):
        return
    if not inner.initialized:
        inner.check_overrides()
        inner.to_gpu()
        inner.initialized = True
    if hasattr(inner, "gather"):  # `ftlab.optimizer.flat`
        inner.gather()
    for group_index, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            if parameter.grad is not None and not optimizer.state[parameter]:
                inner.init_state(group, parameter, group_index, index)


def _held(memory: tuple[int, int]) -> str:
    return f" ({memory[0] / 2**30:.2f} GiB allocated, {memory[1] / 2**30:.2f} GiB reserved)" if memory[1] else ""
