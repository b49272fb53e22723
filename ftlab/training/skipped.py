"""Steps that were left out because their loss or gradient was not finite, and when that is too many."""

import logging
from collections.abc import Iterable, Sequence

from ftlab.problem import RunEnded

log = logging.getLogger(__name__)


class NonFiniteError(RunEnded):
    """Loss or gradients were not finite more often than a run may have it."""


class SkippedSteps:
    """Keeps the rows of the steps left out, and ends the run when there are too many.

    Args:
        most: Steps that may be left out in the whole run.

    Attributes:
        rows: The rows of each step left out so far, over all ranks, ascending.
    """

    def __init__(self, most: int) -> None:
        self.rows: list[tuple[int, ...]] = []
        self._most = most

    def add(self, step: int, rows: Iterable[int], *, what: str) -> None:
        """Counts a step.

        Args:
            step: Its number, counted from 1.
            rows: The ids of its rows.
            what: What was not finite.

        Raises:
            NonFiniteError: This was one step too many.
        """
        self.rows.append(tuple(sorted(rows)))
        log.warning("Step %d left out: its %s is not finite. Rows: %s", step, what, _listed(self.rows[-1]))
        if len(self.rows) > self._most:
            raise NonFiniteError(
                f"Loss or gradient was not finite in {len(self.rows)} steps, which is more than "
                f"training.max_skipped_steps={self._most}. Rows by step: {'; '.join(map(_listed, self.rows))}. "
                "Look at these rows, lower the learning rate (optimizer.lr), or compute in a wider dtype "
                "(trainer.precision)."
            )


def _listed(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows))
