"""TensorBoard as a mirror of the metrics file: `tensorboard --logdir runs`, or `--logdir` of a sweep's folder.

Files lie in the run's own folder, so that TensorBoard calls a run as its folder is called and shows the jobs of a sweep
together. A resumed run hides what it logged behind its checkpoint: each step is shown once.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from ftlab import metric
from ftlab.logger.mirror import Mirror

FOLDER = "tensorboard"
"""The folder of its files, in the run's."""

CONFIG = "config"
"""The key of the configuration, among the texts."""


class TensorBoardRun(Mirror):
    """One run's event files; they begin with the first thing that is logged.

    Args:
        folder: The run folder.
        every_steps: See `StepLogger`.
    """

    def __init__(self, folder: str | Path, every_steps: int = 1) -> None:
        super().__init__(folder, "TensorBoard", ".tensorboard-id", every_steps)

    @property
    def name(self) -> str:
        """The run as TensorBoard calls it."""
        return self.folder.name

    @property
    def version(self) -> str:
        """Nothing: its folder alone tells one run from another."""
        return ""

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs one row: numbers as curves, tables as text."""
        if (writer := self._started()) is None:
            return
        with self._never_fatal("log"):
            for key, value in {metric.ATTEMPT: self.attempt, **values}.items():
                if isinstance(value, str):
                    writer.add_text(key, value, step)
                else:
                    writer.add_scalar(key, value, step)

    @rank_zero_only
    def flush(self) -> None:
        """Writes the rows that were gathered, and hands them to the system."""
        super().flush()
        if self._run is not None:
            with self._never_fatal("flush"):
                self._run.flush()

    @rank_zero_only
    def finish(self, exit_code: int = 0) -> None:
        """Closes the event file.

        Args:
            exit_code: TensorBoard doesn't keep how a run ended.
        """
        super().finish(exit_code)
        if self._run is not None:
            with self._never_fatal("finish"):
                self._run.close()

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """A table as Markdown."""
        head = list(rows[0])
        lines = [head, ["---"] * len(head), *([row[column] for column in head] for row in rows)]
        return "\n".join(_line(cells) for cells in lines)

    def _start(self) -> Any:
        hidden_from = None if self._resumed_at is None else self._resumed_at + 1
        board = importlib.import_module("torch.utils.tensorboard")
        writer = board.SummaryWriter(str(self.folder / FOLDER), purge_step=hidden_from)
        shown = json.dumps(self._config, indent=2, ensure_ascii=False, default=str)
        writer.add_text(CONFIG, f"```\n{shown}\n```", max(0, self._resumed_at or 0))
        return writer


def _line(cells: Sequence[Any]) -> str:
    """A line of a Markdown table; what would end a cell or the line is taken out."""
    texts = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(texts)} |"
