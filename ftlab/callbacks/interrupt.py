"""Ctrl-C and SIGTERM as a wish that is granted at the end of the step, not as a break in the middle of it."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # no error: the run did what it was told
    """The run was told to end, and has saved what it had. The command line answers with exit code 130.

    Attributes:
        signal_name: `SIGINT` or `SIGTERM`.
        step: Optimizer steps done.
    """

    def __init__(self, signal_name: str, step: int) -> None:
        super().__init__(f"Ended by {signal_name} after step {step}. Go on with resume=auto.")
        self.signal_name = signal_name
        self.step = step


class Interrupt:
    """Remembers that the run was told to end. A second signal acts as it would have without this.

    Attributes:
        signal_name: What arrived; None = nothing.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def watch(self) -> None:
        """Begins to listen. Only a process's main thread can; in another one this does nothing."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}

    def unwatch(self) -> None:
        """Puts back who listened before."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
        self.unwatch()
        log.warning("%s: the step is finished and saved, then the run ends. Again ends it at once.", self.signal_name)
