"""Ctrl-C, SIGTERM and SIGHUP as wishes that the pool grants between two looks at its jobs."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts signals instead of being broken by them; a context manager that puts back what was there before.

    Only a process's main thread can listen. In another one this does nothing, and no signal arrives there anyway.

    Attributes:
        first: The first signal that came; None = none.
        count: How many came.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def raise_it(self) -> None:
        """Ends the launcher as the first signal would have.

        Raises:
            KeyboardInterrupt: It was SIGINT.
            SystemExit: It was another one; 128 and its number is the exit code.
        """
        if self.first == signal.SIGINT:
            raise KeyboardInterrupt
        if self.first is not None:
            raise SystemExit(128 + self.first)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.first = self.first or signal.Signals(number)
        self.count += 1
