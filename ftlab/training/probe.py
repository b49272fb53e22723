"""The warm-up probe: the largest step runs before training, so that memory ends in the first minute, if it does.

It leaves no trace: no update, no gradient, the random numbers as they were, nothing logged but its own failures.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ftlab.data.row import EncodedRow
from ftlab.training.memory import is_out_of_memory, release
from ftlab.training.step import OomEvent, StepRunner


def largest_step(steps: Iterable[Sequence[int]], budget: int) -> int:
    """Returns which step asks for most memory.

    Args:
        steps: Tokens of the rows of each step; at least one step.
        budget: Tokens of a micro-batch.

    Returns:
        The number of the step with the fullest micro-batch; of those, the one with the longest row, then with most
        tokens.
    """

    def fullness(lengths: Sequence[int]) -> tuple[int, int, int]:
        longest, tokens = max(lengths), sum(lengths)
        return (max(longest, min(tokens, budget)), longest, tokens)

    return max(enumerate(steps), key=lambda numbered: fullness(numbered[1]))[0]


class Probe:
    """A rehearsal of a step.

    Args:
        rows: Rows of the largest step, of all ranks; may be none.
    """

    def __init__(self, rows: Sequence[EncodedRow]) -> None:
        self.rows = list(rows)

    def run(
        self,
        runner: StepRunner,
        *,
        rank: int,
        world_size: int,
        step: int,
        device: torch.device,
        held_bytes: int,
        begin: Callable[[], None],
        backward: Callable[[Tensor], None],
    ) -> tuple[OomEvent, ...]:
        """Runs forward and backward; a smaller budget that it finds stays in force.

        Args:
            runner: Runs the rows.
            rank: This process's number: it takes its part of the rows.
            world_size: Number of processes.
            step: Optimizer steps done.
            device: Where the model is.
            held_bytes: What the optimizer is still going to take: held meanwhile, as far as it fits.
            begin: As in `StepRunner.run`.
            backward: As in `StepRunner.run`.

        Returns:
            The failures on the way.

        Raises:
            RowTooLargeError: See `StepRunner.run`.
        """
        devices = [device] if device.type == "cuda" else []
        held = _held(held_bytes, device)
        rows = self.rows[rank::world_size]
        with torch.random.fork_rng(devices=devices):
            sums = runner.run(rows, step=step, device=device, begin=begin, backward=backward, probe=True)
            begin()  # drops the gradients
        del held
        release(device)
        return sums.oom_events


def _held(count: int, device: torch.device) -> Tensor | None:
    """An empty place of so many bytes; None where there is no room: the update will say so."""
    try:
        return torch.empty(count, dtype=torch.uint8, device=device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None
