"""Compares runs, shows what they come to and leaves it in files. In: runs. Out: a table on the terminal, four files."""

from collections.abc import Sequence

from rich.console import Console

from ftlab.report.run import shown
from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison
from ftlab.report.sweep.page import write_page
from ftlab.report.sweep.read import Sweep
from ftlab.report.sweep.terminal import print_comparison
from ftlab.report.sweep.text import write_texts


def write_comparison(
    sweep: Sweep, *, by: Sequence[str] | None = None, price_per_hour: float | None = None
) -> Comparison:
    """Compares, shows and writes: `comparison.html`, `.md`, `.csv` and `.json` in the sweep's folder.

    Args:
        sweep: The jobs.
        by: The keys that make rows; None = all that were swept but seeds and learning rates.
        price_per_hour: What an hour of the hardware costs; None = no costs.

    Returns:
        The comparison.

    Raises:
        ValueError: No job has a value of a key of `by`.
        OSError: The files can't be written.
    """
    comparison = compare(sweep, by, price_per_hour)
    page = write_page(comparison, sweep.folder)
    others = write_texts(comparison, sweep.folder)
    print_comparison(Console(), comparison, f"{shown(page)} ({', '.join(path.name for path in others)})")
    return comparison
