"""How long the device waited between two steps: for the next rows, for logging, for whatever else the host did.

A pause lies between the end of an update and the first forward pass of the next step. On a GPU both ends are events in
its own queue, so that host work which the device didn't wait for doesn't count; they are read after the step's own
wait for the gradient norm and cost none. On a CPU, which does everything itself, it is all that isn't training.
"""

import time

import torch


class IdleClock:
    """Measures the pauses of one device."""

    def __init__(self) -> None:
        self._ended: float | torch.cuda.Event | None = None
        self._pause: tuple[torch.cuda.Event, torch.cuda.Event] | float | None = None
        self._waits = True

    def work_begins(self, device: torch.device) -> None:
        """Called before each forward pass of training; only the first one after an update ends a pause."""
        if not self._waits:
            return
        self._waits, ended = False, self._ended
        self._pause = None
        if isinstance(ended, torch.cuda.Event):
            self._pause = (ended, _now(device))  # type: ignore[assignment]
        elif ended is not None:
            self._pause = time.perf_counter() - ended

    def work_ends(self, device: torch.device) -> None:
        """Called after the update."""
        self._ended, self._waits = _now(device), True

    def forget(self) -> None:
        """Called where something else uses the device (an evaluation): the pause that it lies in isn't measured."""
        self._ended = None

    def pause_s(self) -> float | None:
        """Seconds of the pause before this step; call it when the device has done the step's backward passes.

        Returns:
            None for a first step, and after `forget`.
        """
        if isinstance(self._pause, tuple):
            return float(self._pause[0].elapsed_time(self._pause[1])) / 1000
        return self._pause


def _now(device: torch.device) -> float | torch.cuda.Event:
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event
