"""Runs the rows of one optimizer step, in micro-batches that fit the device.

In: the rows and three callables (the loss of a micro-batch, its backward, a fresh start). Out: Σ NLL, with gradients
accumulated in the parameters. On out of memory the same rows run again in micro-batches of half the size: no row is
lost or seen twice, and neither the batch nor the schedule changes. The smaller budget stays in force.

Learning rates, clipping, the update and Lightning are not known here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ftlab.data.pack import collate, plan_micro_batches
from ftlab.data.row import EncodedRow, Layout, MicroBatch
from ftlab.training import rank
from ftlab.training.memory import allocated_bytes, is_out_of_memory, release


@dataclass(frozen=True, slots=True)
class OomEvent:
    """One time that a step ran out of memory and was run again.

    Attributes:
        step: Optimizer steps done before it.
        longest_row: Tokens of the longest row of the step.
        budget_before: Tokens of a micro-batch that didn't fit.
        budget_after: The budget that came into force.
        allocated: Bytes in tensors at the failure; 0 on a CPU.
        reserved: Bytes that PyTorch's allocator held at the failure; 0 on a CPU.
    """

    step: int
    longest_row: int
    budget_before: int
    budget_after: int
    allocated: int
    reserved: int


class RowTooLargeError(RuntimeError):
    """A single row doesn't fit the device's memory: smaller micro-batches can't help."""


@dataclass(frozen=True, slots=True)
class StepSums:
    """What the micro-batches of a step amount to on this rank.

    Attributes:
        nll: Σ NLL over the supervised tokens, shape [], float32, on the device, without a graph.
        micro_batches: How many forward passes it took.
        oom_events: The failures on the way; none as a rule.
    """

    nll: Tensor
    micro_batches: int
    oom_events: tuple[OomEvent, ...]


class StepRunner:
    """Forward and backward over the rows of a step, repeated in smaller pieces until they fit.

    Args:
        nll: Σ NLL of a micro-batch with its graph, shape []. Also the seam for a simulated failure.
        layout: How rows share a micro-batch.
        micro_batch_tokens: Tokens of a forward pass to begin with.
        pad_id: What fills the places behind a row's end.

    Attributes:
        micro_batch_tokens: The budget in force.
    """

    def __init__(
        self, *, nll: Callable[[MicroBatch], Tensor], layout: Layout, micro_batch_tokens: int, pad_id: int
    ) -> None:
        self.micro_batch_tokens = micro_batch_tokens
        self._nll = nll
        self._layout: Layout = layout
        self._pad_id = pad_id

    def micro_batches(self, rows: Sequence[EncodedRow]) -> list[list[EncodedRow]]:
        """Returns which rows share a forward pass under the budget in force."""
        plan = plan_micro_batches([len(row) for row in rows], self.micro_batch_tokens, self._layout)
        return [[rows[index] for index in indices] for indices in plan]

    def nll(self, rows: Sequence[EncodedRow]) -> Tensor:
        """Σ NLL of rows that share one forward pass, shape []."""
        return self._nll(collate(rows, self._layout, self._pad_id))

    def run(
        self,
        rows: Sequence[EncodedRow],
        *,
        step: int,
        device: torch.device,
        begin: Callable[[], None],
        backward: Callable[[Tensor], None],
    ) -> StepSums:
        """Accumulates the gradients of a step.

        Args:
            rows: This rank's rows; may be none.
            step: Optimizer steps done before this one, for the log.
            device: Where the model is.
            begin: Called before each attempt: drops gradients, and sets the random numbers to the step's first.
            backward: Called with Σ NLL of each micro-batch.

        Returns:
            The sums over the micro-batches.

        Raises:
            RowTooLargeError: Out of memory with one row in each micro-batch, on this rank or another.
        """
        events: list[OomEvent] = []
        while True:
            begin()
            plan = self.micro_batches(rows)
            nll, memory = self._attempt(plan, device, backward)
            can_shrink = any(len(rows) > 1 for rows in plan)
            worst = rank.highest(0 if nll is not None else 1 if can_shrink else 2, device)
            if worst == 0:
                assert nll is not None
                return StepSums(nll, len(plan), tuple(events))
            begin()
            release(device)
            if worst == 2:
                raise RowTooLargeError(_advice(plan, memory))
            if nll is None:
                events.append(self._shrink(plan, step, memory))

    def _attempt(
        self, plan: list[list[EncodedRow]], device: torch.device, backward: Callable[[Tensor], None]
    ) -> tuple[Tensor | None, tuple[int, int]]:
        """Σ NLL, or None where memory ran out, then with the bytes that were allocated and reserved."""
        total = torch.zeros((), device=device)
        try:
            for rows in plan:
                nll = self.nll(rows)
                backward(nll)
                total = total + nll.detach()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None, allocated_bytes(device)
        return total, (0, 0)

    def _shrink(self, plan: list[list[EncodedRow]], step: int, memory: tuple[int, int]) -> OomEvent:
        """Halves what the largest micro-batch held: halving a budget that nothing filled would change nothing."""
        held = max(_tokens(rows, self._layout) for rows in plan if len(rows) > 1)
        before, self.micro_batch_tokens = self.micro_batch_tokens, max(1, min(self.micro_batch_tokens, held) // 2)
        longest = max(len(row) for rows in plan for row in rows)
        return OomEvent(step, longest, before, self.micro_batch_tokens, *memory)


def _tokens(rows: Sequence[EncodedRow], layout: Layout) -> int:
    lengths = [len(row) for row in rows]
    return sum(lengths) if layout == "packed" else len(lengths) * max(lengths)


def _advice(plan: list[list[EncodedRow]], memory: tuple[int, int]) -> str:
    rows = [row for rows in plan for row in rows]
    longest = max(rows, key=len, default=None)
    which = f"row {longest.id} of {len(longest)} tokens" if longest is not None else "a row of another rank"
    held = f" ({memory[0] / 2**30:.2f} GiB allocated, {memory[1] / 2**30:.2f} GiB reserved)" if memory[1] else ""
    return (
        f"Out of memory with a single row in each micro-batch; the longest is {which}{held}. "
        "Lower `training.max_row_tokens`, choose a method that holds less (method=qlora), a smaller model, "
        "or a device with more memory."
    )
