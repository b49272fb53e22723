"""Makes the next items of an iterator in a thread while the present one is used."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")

DEPTH = 2
"""Items that wait to be used: one would do if all took equally long."""


def ahead(items: Iterator[Item], depth: int = DEPTH) -> Iterator[Item]:
    """Gives the same items in the same order; they are made in a thread, up to `depth` ahead of their use.

    The thread ends with the iterator: at its end, when it is closed, or when nothing refers to it any more.

    Args:
        items: What to give.
        depth: How many may wait, at least 1.

    Yields:
        The items.

    Raises:
        BaseException: What making an item raised, in its place.
    """
    made: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(depth)
    given_up = threading.Event()

    def put(is_item: bool, what: Item | BaseException | None) -> bool:
        while not given_up.is_set():
            try:
                made.put((is_item, what), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(True, item):
                    return
            put(False, None)
        except BaseException as error:
            put(False, error)

    thread = threading.Thread(target=make, name="ftlab-ahead", daemon=True)
    thread.start()
    try:
        while True:
            is_item, what = made.get()
            if is_item:
                yield what  # type: ignore[misc]
            elif what is None:
                return
            else:
                raise what  # type: ignore[misc]
    finally:
        given_up.set()
        thread.join()
