"""Items made ahead: the same ones, in order, with their errors, and no thread left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from ftlab.data.ahead import ahead


def threads() -> int:
    return sum(thread.name == "ftlab-ahead" for thread in threading.enumerate())


def test_items_come_in_their_order_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert threads() == 0


def test_next_items_are_made_while_one_is_used_and_no_more_than_may_wait() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    items = ahead(make(), depth=2)
    assert next(items) == 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert made == [0, 1, 2, 3]  # one in use, two waiting, one that finds no room
    items.close()  # type: ignore[attr-defined]


def test_error_comes_where_its_item_would() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = ahead(make())
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)
    assert threads() == 0


def test_thread_ends_when_the_iterator_is_given_up() -> None:
    items = ahead(iter(range(100)))
    next(items)
    assert threads() == 1
    items.close()  # type: ignore[attr-defined]
    assert threads() == 0
