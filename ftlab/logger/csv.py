"""The metrics file: `metrics.csv` in the run folder, the record that everything else mirrors.

One line an optimizer step, one column a key, `step` and `attempt` first: it opens in a spreadsheet as it is. Lines
are appended and handed to the system at once, so a killed process loses at most the half of its last line, which
the reader leaves out. What isn't an append (a new column, going back to a checkpoint) writes a new file and renames it.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlab import metric
from ftlab.logger.step import StepLogger

FILE = "metrics.csv"


class MetricsFile(StepLogger):
    """Appends rows to the metrics file.

    Args:
        folder: The run folder.
        every_steps: See `StepLogger`.
    """

    def __init__(self, folder: str | Path, every_steps: int = 1) -> None:
        super().__init__(every_steps)
        self.path = Path(folder) / FILE
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """The kind of logger, as Lightning wants to know it."""
        return "csv"

    @property
    def version(self) -> str:
        """Which start of the run this is."""
        return str(self.attempt)

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    def resume_at(self, step: int, attempt: int) -> None:
        """Drops the rows after `step`: they are about to be written again, and the record has each step once."""
        super().resume_at(step, attempt)
        if not self.path.exists():
            return
        self._columns, rows = _read_cells(self.path)
        self._columns = self._columns or list(metric.ALL)
        self._rewrite([row for row in rows if int(row[metric.STEP]) <= step])

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line; a key that has no column yet gets one first."""
        row = {metric.STEP: step, metric.ATTEMPT: self.attempt, **values}
        if not self._columns:
            self._start()
        if new := [key for key in row if key not in self._columns]:
            _, rows = _read_cells(self.path)
            self._columns += new
            self._rewrite(rows)
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(_lines(self._columns, [row]))

    def flush(self) -> None:
        """Writes what is left and waits until the disk has it."""
        super().flush()
        if self._columns:
            with self.path.open("a") as stream:
                os.fsync(stream.fileno())

    def _start(self) -> None:
        """Begins a new file; `FileExistsError` where another run left one (a run never overwrites a record)."""
        self._columns = list(metric.ALL)
        with self.path.open("x", encoding="utf-8", newline="") as stream:
            stream.write(_lines(self._columns, [], header=True))

    def _rewrite(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replaces the file by these rows, whole or not at all."""
        temporary = self.path.with_name(f".{FILE}.{os.getpid()}")
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            stream.write(_lines(self._columns, rows, header=True))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path)


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    """Reads a metrics file, also one that is being written or that a killed process left.

    Args:
        path: The file.

    Returns:
        One row a step in ascending order, with the keys that have a value; `step` and `attempt` are whole numbers.
        A step whose values came on several lines (training first, held-out loss after a checkpoint) is one row.
    """
    merged: dict[int, dict[str, float]] = {}
    for cells in _read_cells(Path(path))[1]:
        row = {key: float(cell) for key, cell in cells.items() if cell}
        row |= {key: int(cells[key]) for key in (metric.STEP, metric.ATTEMPT) if cells.get(key)}
        merged.setdefault(int(row[metric.STEP]), {}).update(row)
    return [merged[step] for step in sorted(merged)]


def _read_cells(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Returns the columns and the whole lines, as text; a last line without its end is left out."""
    text = path.read_text(encoding="utf-8", errors="replace")
    reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]), restval="")
    rows = list(reader)
    return list(reader.fieldnames or []), rows


def _lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool = False) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
