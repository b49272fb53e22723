"""Runs the rows of one optimizer step, in micro-batches that fit the device.

In: the rows and three callables (the loss of a micro-batch, its backward, a fresh start). Out: Σ NLL, with gradients
accumulated in the parameters. On out of memory the same rows run again: in micro-batches of half the size where
several rows shared the one that failed, with more recomputation where it was a single row. No row is lost or seen
twice, and neither the batch nor the schedule changes. The smaller budget stays in force until steps have long been
clean; then it doubles again.

Learning rates, clipping, the update and Lightning are not known here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ftlab.data.pack import collate, plan_micro_batches
from ftlab.data.row import EncodedRow, Layout, MicroBatch
from ftlab.problem import RunEnded
from ftlab.training import rank
from ftlab.training.memory import allocated_bytes, is_out_of_memory, release

CLEAN_STEPS = 50
"""Steps without running out of memory before a lowered budget doubles."""
GROWTH_STEPS = 200
"""Steps between two such doublings; twice as many after each that was too much."""

Phase = Literal["probe", "step", "update", "evaluation"]


@dataclass(frozen=True, slots=True)
class OomEvent:
    """One time that memory ran out and something was run again.

    Attributes:
        step: The optimizer step, counted from 1; for an evaluation, the step it followed.
        phase: What ran: the warm-up probe, forward and backward of a step, its update, or an evaluation.
        longest_row: Tokens of the longest row in it.
        budget_before: Tokens of a micro-batch that didn't fit.
        budget_after: The budget that came into force; of an evaluation, for its rows only.
        recompute: The level of recomputation that came into force; None = it stayed as it was.
        allocated: Bytes in tensors at the failure; 0 on a CPU.
        reserved: Bytes that PyTorch's allocator held at the failure; 0 on a CPU.
    """

    step: int
    phase: Phase
    longest_row: int
    budget_before: int
    budget_after: int
    recompute: str | None
    allocated: int
    reserved: int


class RowTooLargeError(RunEnded):
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
        lighten: Makes the model keep less, where single rows don't fit; returns the new level, None if there is none.
        advice: What to change where nothing helps, as sentences.

    Attributes:
        micro_batch_tokens: The budget in force.
    """

    def __init__(
        self,
        *,
        nll: Callable[[MicroBatch], Tensor],
        layout: Layout,
        micro_batch_tokens: int,
        pad_id: int,
        lighten: Callable[[], str | None] = lambda: None,
        advice: str = "",
    ) -> None:
        self.micro_batch_tokens = micro_batch_tokens
        self._most_tokens = micro_batch_tokens
        self._clean_steps = 0
        self._steps_since_growth = GROWTH_STEPS
        self._growth_steps = GROWTH_STEPS
        self._nll = nll
        self._lighten = lighten
        self._advice = advice
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
        probe: bool = False,
    ) -> StepSums:
        """Accumulates the gradients of a step.

        Args:
            rows: This rank's rows; may be none.
            step: Optimizer steps done before this one, for the log.
            device: Where the model is.
            begin: Called before each attempt: drops gradients, and sets the random numbers to the step's first.
            backward: Called with Σ NLL of each micro-batch.
            probe: Whether this is a rehearsal, which doesn't count as a step.

        Returns:
            The sums over the micro-batches.

        Raises:
            RowTooLargeError: Out of memory with one row in each micro-batch and all recomputation, on this rank or
                another.
        """
        events: list[OomEvent] = []
        while True:
            begin()
            plan = self.micro_batches(rows)
            nll, failed, memory = self._attempt(plan, device, backward)
            worst = rank.highest(0 if nll is not None else 1 if len(failed) > 1 else 2, device)
            if worst == 0:
                assert nll is not None
                if not probe:
                    self._grow(clean=not events)
                return StepSums(nll, len(plan), tuple(events))
            begin()
            release(device)
            level = None
            if worst == 2:
                level = self._lighten()
                if level is None:
                    raise RowTooLargeError(f"{_too_large(failed, memory)} {self._advice or _ADVICE}")
            if nll is None:
                before = self.micro_batch_tokens
                if len(failed) > 1:  # halving a budget that nothing filled would change nothing
                    self.micro_batch_tokens = min(before, _tokens(failed, self._layout)) // 2
                longest = max(len(row) for rows in plan for row in rows)
                events.append(
                    OomEvent(
                        step + 1, "probe" if probe else "step", longest, before, self.micro_batch_tokens, level, *memory
                    )
                )

    def evaluate(
        self,
        rows: Sequence[EncodedRow],
        *,
        step: int,
        device: torch.device,
        use: Callable[[Sequence[EncodedRow], Tensor], None],
    ) -> list[OomEvent]:
        """Σ NLL of rows without gradients; what doesn't fit is halved. The budget of training stays as it is.

        Args:
            rows: Held-out rows.
            step: Optimizer steps done, for the log.
            device: Where the model is.
            use: Called once for each group of rows that shared a forward pass, with its Σ NLL.

        Returns:
            The failures on the way.

        Raises:
            RowTooLargeError: A single row doesn't fit.
        """
        events: list[OomEvent] = []
        waiting = self.micro_batches(rows)
        while waiting:
            group = waiting.pop(0)
            nll, memory = self._forward(group, device)
            if nll is not None:
                use(group, nll)
                continue
            release(device)
            if len(group) == 1:
                raise RowTooLargeError(f"{_too_large(group, memory)} {self._advice or _ADVICE}")
            middle = len(group) // 2
            waiting[:0] = [group[:middle], group[middle:]]
            before, after = _tokens(group, self._layout), max(_tokens(part, self._layout) for part in waiting[:2])
            longest = max(map(len, group))
            events.append(OomEvent(step, "evaluation", longest, before, after, None, *memory))
        return events

    def state(self) -> dict[str, int]:
        """What a checkpoint holds, so that a resumed run forms the micro-batches of an unbroken one."""
        return {
            "micro_batch_tokens": self.micro_batch_tokens,
            "clean_steps": self._clean_steps,
            "steps_since_growth": self._steps_since_growth,
            "growth_steps": self._growth_steps,
        }

    def restore(self, state: Mapping[str, int]) -> None:
        """Takes that back; a smaller budget of this start stays."""
        self.micro_batch_tokens = min(self.micro_batch_tokens, state["micro_batch_tokens"])
        self._clean_steps = state["clean_steps"]
        self._steps_since_growth = state["steps_since_growth"]
        self._growth_steps = state["growth_steps"]

    def _grow(self, *, clean: bool) -> None:
        """Counts a step, and doubles a lowered budget when there were enough clean ones."""
        self._steps_since_growth += 1
        if not clean:
            if self._steps_since_growth <= CLEAN_STEPS:  # the last doubling was too much
                self._growth_steps *= 2
            self._clean_steps = 0
            return
        self._clean_steps += 1
        is_lowered = self.micro_batch_tokens < self._most_tokens
        if is_lowered and self._clean_steps >= CLEAN_STEPS and self._steps_since_growth >= self._growth_steps:
            self.micro_batch_tokens = min(self._most_tokens, 2 * self.micro_batch_tokens)
            self._clean_steps = self._steps_since_growth = 0

    def _forward(self, rows: Sequence[EncodedRow], device: torch.device) -> tuple[Tensor | None, tuple[int, int]]:
        try:
            return self.nll(rows), (0, 0)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None, allocated_bytes(device)

    def _attempt(
        self, plan: list[list[EncodedRow]], device: torch.device, backward: Callable[[Tensor], None]
    ) -> tuple[Tensor | None, list[EncodedRow], tuple[int, int]]:
        """Σ NLL; where memory ran out None, the rows that ran then, and the bytes that were allocated and reserved."""
        total, rows = torch.zeros((), device=device), list[EncodedRow]()
        try:
            for rows in plan:
                nll = self.nll(rows)
                backward(nll)
                total = total + nll.detach()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None, rows, allocated_bytes(device)
        return total, [], (0, 0)


def _tokens(rows: Sequence[EncodedRow], layout: Layout) -> int:
    lengths = [len(row) for row in rows]
    return sum(lengths) if layout == "packed" else len(lengths) * max(lengths)


_ADVICE = (
    "Lower `training.max_row_tokens`, choose a method that holds less (method=qlora), a smaller model, "
    "or a device with more memory."
)


def _too_large(failed: list[EncodedRow], memory: tuple[int, int]) -> str:
    which = f"row {failed[0].id} of {len(failed[0])} tokens" if len(failed) == 1 else "a row of another rank"
    held = f" ({memory[0] / 2**30:.2f} GiB allocated, {memory[1] / 2**30:.2f} GiB reserved)" if memory[1] else ""
    return f"Out of memory with a single row in the micro-batch: {which}{held}."
