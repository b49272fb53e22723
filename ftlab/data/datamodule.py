"""Feeds Lightning: one batch is all rows of one optimizer step, one Lightning epoch is the whole run.

In: encoded rows, in memory or in a file. Out: lists of `EncodedRow`; the training step lays them into micro-batches.
Which rows a step holds is a function of (rows, sources, batch_rows, seed, step) alone: a run resumed at step k goes on
with exactly the rows that an unbroken run would have read, without any state of Lightning's. Nothing here tokenises.
"""

import math
from collections.abc import Iterator, Sequence

import lightning as L
import torch

from ftlab.data.ahead import ahead
from ftlab.data.epoch import EpochPart, step_order
from ftlab.data.pack import lengths, plan_micro_batches
from ftlab.data.row import EncodedRow, Layout


def steps_per_epoch(rows: int, batch_rows: int) -> int:
    """Optimizer steps of one pass over the rows; the last one may hold fewer rows, none is left out.

    >>> steps_per_epoch(rows=33, batch_rows=16)
    3
    """
    return math.ceil(rows / batch_rows)


def total_steps(rows: int, batch_rows: int, epochs: float, max_steps: int | None) -> int:
    """Optimizer steps of the whole run: `max_steps` where it is given, else `epochs` passes over the rows.

    >>> total_steps(rows=33, batch_rows=16, epochs=2, max_steps=None)
    6

    Args:
        rows: Training rows.
        batch_rows: Rows of an optimizer step, over all ranks.
        epochs: Passes over the rows; a fraction is rounded up to whole steps.
        max_steps: Wins over `epochs`; the rows are passed as often as it takes.

    Returns:
        At least 1.

    Raises:
        ValueError: One of the numbers is not positive.
    """
    for name, value in {"rows": rows, "batch_rows": batch_rows, "epochs": epochs, "max_steps": max_steps}.items():
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` must be positive, but is {value}.")
    return max_steps if max_steps is not None else math.ceil(epochs * steps_per_epoch(rows, batch_rows))


def epochs_at(step: int, epoch_rows: int, batch_rows: int) -> float:
    """Epochs done after `step` optimizer steps of `batch_rows` rows, as a fraction.

    >>> epochs_at(step=4, epoch_rows=10, batch_rows=4)
    1.4
    """
    done, steps = divmod(step, steps_per_epoch(epoch_rows, batch_rows))
    return done + min(steps * batch_rows / epoch_rows, 1.0)


def whole(rows: int) -> list[EpochPart]:
    """Returns the parts of an epoch that takes every row of a single source once."""
    return [EpochPart("", 0, rows, rows)]


class StepBatches:
    """The rows of every optimizer step of a run, one list a step.

    Its length is the steps of the whole run also where iteration starts later, so that progress bars and schedules
    that read it agree with the unbroken run.

    Args:
        rows: The training rows.
        batch_rows: Rows of an optimizer step, over all ranks.
        steps: Optimizer steps of the whole run.
        seed: Seed of the order.
        parts: What each source gives to an epoch; None takes every row once.
        start_step: Steps done before; iteration begins behind them.
        rank: This process's number. A step's rows are dealt out in turn: row i of the step to rank i modulo world size.
        world_size: Number of processes. A step with fewer rows than ranks gives the last ranks an empty list.
    """

    def __init__(
        self,
        rows: Sequence[EncodedRow],
        *,
        batch_rows: int,
        steps: int,
        seed: int,
        parts: Sequence[EpochPart] | None = None,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.rows = rows
        self.batch_rows = batch_rows
        self.steps = steps
        self.seed = seed
        self.parts = whole(len(rows)) if parts is None else parts
        self.start_step = start_step
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[EncodedRow]]:
        """Reads the rows of the next steps while a step runs."""
        return ahead(self._steps())

    def _steps(self) -> Iterator[list[EncodedRow]]:
        for places in step_order(
            self.parts, seed=self.seed, batch_rows=self.batch_rows, steps=self.steps, start_step=self.start_step
        ):
            yield [self.rows[index] for index in places[self.rank :: self.world_size].tolist()]


class EvaluationChunks:
    """Rows in chunks under a token budget: always the same chunks, each row in one chunk of one rank.

    Every rank gets the same number of chunks, so that collective calls meet: where they don't divide evenly, the last
    ranks end with an empty list.

    Args:
        rows: The rows to evaluate.
        chunk_tokens: The budget of a chunk, as in `plan_micro_batches`.
        layout: How a chunk will be laid.
        rank: This process's number.
        world_size: Number of processes.
    """

    def __init__(
        self, rows: Sequence[EncodedRow], *, chunk_tokens: int, layout: Layout, rank: int = 0, world_size: int = 1
    ) -> None:
        plan = plan_micro_batches(lengths(rows), chunk_tokens, layout)
        plan += [[] for _ in range(-len(plan) % world_size)]
        self._rows = rows
        self._plan = plan[rank::world_size]

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[list[EncodedRow]]:
        return ([self._rows[index] for index in indices] for indices in self._plan)


class RowsDataModule(L.LightningDataModule):
    """Training rows by optimizer step, validation rows by chunk.

    The trainer must run with `max_epochs=1` (or `max_steps=total_steps`) and `use_distributed_sampler=False`.

    Args:
        train: Training rows; at least one.
        validation: Validation rows; none means no validation.
        batch_rows: Rows of an optimizer step, over all ranks.
        epochs: Passes over the training rows.
        max_steps: Optimizer steps; wins over `epochs`.
        seed: Seed of the order of the rows.
        parts: What each source gives to an epoch; None takes every row once.
        validation_tokens: Tokens of a validation chunk.
        layout: Layout of a validation chunk.
        start_step: Optimizer steps done before this start (resume).
        rank: This process's number; None asks the trainer.
        world_size: Number of processes; None asks the trainer.

    Attributes:
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
        epoch_rows: Rows of one epoch, all sources together.
    """

    def __init__(
        self,
        train: Sequence[EncodedRow],
        validation: Sequence[EncodedRow],
        *,
        batch_rows: int,
        epochs: float,
        max_steps: int | None = None,
        seed: int = 1,
        parts: Sequence[EpochPart] | None = None,
        validation_tokens: int = 4096,
        layout: Layout = "packed",
        start_step: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_rows = batch_rows
        self.seed = seed
        self.validation_tokens = validation_tokens
        self.layout: Layout = layout
        self.start_step = start_step
        self.parts = whole(len(train)) if parts is None else parts
        self.epoch_rows = sum(part.take for part in self.parts)
        self.total_steps = total_steps(self.epoch_rows, batch_rows, epochs, max_steps)
        self.steps_per_epoch = steps_per_epoch(self.epoch_rows, batch_rows)
        self._rank = rank
        self._world_size = world_size

    def epoch_at(self, step: int) -> float:
        """Epochs done after `step` optimizer steps, as a fraction."""
        return epochs_at(step, self.epoch_rows, self.batch_rows)

    def train_dataloader(self) -> StepBatches:
        """The steps from `start_step` to the end of the run; its length is `total_steps`."""
        rank, world_size = self._place()
        return StepBatches(
            self.train,
            batch_rows=self.batch_rows,
            steps=self.total_steps,
            seed=self.seed,
            parts=self.parts,
            start_step=self.start_step,
            rank=rank,
            world_size=world_size,
        )

    def val_dataloader(self) -> EvaluationChunks:
        """This rank's validation chunks, in a fixed order; a chunk may be empty under several ranks."""
        rank, world_size = self._place()
        return EvaluationChunks(
            self.validation, chunk_tokens=self.validation_tokens, layout=self.layout, rank=rank, world_size=world_size
        )

    def transfer_batch_to_device(
        self, batch: list[EncodedRow], device: torch.device, dataloader_idx: int
    ) -> list[EncodedRow]:
        """Rows stay in host memory; each micro-batch is moved when it is laid."""
        return batch

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        rank = self._rank if self._rank is not None else (trainer.global_rank if trainer else 0)
        world_size = self._world_size if self._world_size is not None else (trainer.world_size if trainer else 1)
        return rank, world_size
