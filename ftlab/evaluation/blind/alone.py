"""One process at a time in a test's folder while answers are written and sealed: a lock that ends with its process.

Two that answer at once would write each answer twice, and the second would seal what the first has sealed already.
Rating and scoring need no lock: votes lie in a database that many processes share.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftlab.problem import InputError, Problem

try:
    import fcntl
except ImportError:  # Windows has no such locks; there the second process isn't told
    fcntl = None  # type: ignore[assignment]

FILE = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a test's folder for this process; however it ends, the system lets go of it.

    Args:
        folder: The folder; made where it is missing.

    Raises:
        InputError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"must be used by one process at a time, but another one is writing the test in '{folder}' now."
            fix = "Wait until it has ended, then this command goes on; or start another: compare.folder=<a folder>."
            raise InputError([Problem("compare.folder", what, fix)]) from None
        yield
