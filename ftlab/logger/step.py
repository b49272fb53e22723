"""A logger that writes one row an optimizer step, whoever logs and when.

Loss, throughput, memory and held-out loss of a step come from different callbacks. `StepLogger` gathers them and
hands on the finished row when a later step begins, or at `flush`. Tensors stay on the device until then.
"""

from abc import abstractmethod
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

SAMPLES = "samples"
"""The key of the table of sample answers."""

Level = Literal["INFO", "WARN", "ERROR"]


class StepLogger(Logger):
    """Gathers values by step; a subclass writes the rows.

    Args:
        every_steps: Rows are written when this many steps are complete. On a GPU, reading a value waits for the
            device: a larger number means fewer waits, and more rows lost if the process is killed (a checkpoint
            writes all of them first, so a resumed run still has every row).
    """

    def __init__(self, every_steps: int = 1) -> None:
        super().__init__()
        if every_steps < 1:
            raise ValueError(f"`every_steps` must be at least 1, but is {every_steps}.")
        self.attempt = 1
        self._every_steps = every_steps
        self._pending: dict[int, dict[str, Any]] = {}

    @abstractmethod
    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes one row.

        Args:
            step: Optimizer steps done.
            values: Numbers by key.
        """

    def resume_at(self, step: int, attempt: int) -> None:
        """Prepares to go on after `step`; called before anything is logged.

        Args:
            step: The last optimizer step that the checkpoint holds.
            attempt: How many times the run was started, this time included.
        """
        self.attempt = attempt

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float | Tensor], step: int | None = None) -> None:  # type: ignore[override]
        """Adds values to a step's row.

        Args:
            metrics: Numbers, or tensors of shape [] on any device.
            step: Optimizer steps done.

        Raises:
            ValueError: `step` is missing.
        """
        if step is None:
            raise ValueError("`step` must be given, but is None.")
        if step not in self._pending and len(self._pending) >= self._every_steps:
            self._hand_on()
        self._pending.setdefault(step, {}).update(metrics)

    def save(self) -> None:
        """Does nothing: Lightning calls this between a step's training and its evaluation, when the row isn't whole."""

    @rank_zero_only
    def flush(self) -> None:
        """Writes the rows that were gathered, whole or not."""
        self._hand_on()

    def _hand_on(self) -> None:
        """Writes the rows that were gathered, reading all tensors of a device at once."""
        pending, self._pending = self._pending, {}
        _read_tensors(pending)
        for step, values in pending.items():
            self.write(step, values)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Writes what is left; Lightning calls this after each fit, validate or test."""
        self.flush()

    def log_samples(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the table of sample answers to the step's row.

        Args:
            step: Optimizer steps done.
            rows: The table's rows, all with the same columns; at least one.
        """
        self.log_table(SAMPLES, step, rows)

    def log_table(self, key: str, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Takes a table; a logger that can show it overrides this.

        Args:
            key: Its name.
            step: Optimizer steps done.
            rows: The table's rows, all with the same columns; at least one.
        """

    def alert(self, title: str, text: str, level: Level = "WARN") -> None:
        """Takes a message to whoever watches; a logger that can send it overrides this.

        Args:
            title: Fewer than 64 characters.
            text: What happened.
            level: How bad it is.
        """

    def finish(self, exit_code: int = 0) -> None:
        """Ends the run; doing it twice is harmless.

        Args:
            exit_code: 0 where the run went well.
        """
        self.flush()

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Takes the configuration; a logger that can show it overrides this."""


def _read_tensors(rows: Mapping[int, dict[str, Any]]) -> None:
    """Replaces tensors by numbers, with one wait a device and dtype instead of one a value."""
    found: dict[tuple[torch.device, torch.dtype], list[tuple[dict[str, Any], str]]] = {}
    for row in rows.values():
        for key, value in row.items():
            if isinstance(value, Tensor):
                found.setdefault((value.device, value.dtype), []).append((row, key))
    for places in found.values():
        numbers = torch.stack([row[key].detach().reshape(()) for row, key in places]).tolist()
        for (row, key), number in zip(places, numbers, strict=True):
            row[key] = number
