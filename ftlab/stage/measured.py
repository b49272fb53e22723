"""What a run has measured so far, as plain data for its card: also of one that didn't end well.

In: the run's callbacks, its plan. Out: sections of the card.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lightning.pytorch.callbacks import Callback

from ftlab.callbacks.curve import CurveDoctor
from ftlab.callbacks.memory import MemoryLog
from ftlab.callbacks.oom import OomLog
from ftlab.callbacks.throughput import ThroughputLog
from ftlab.memory.plan import Plan
from ftlab.memory.table import plan_data
from ftlab.stage.plan import compared


def measured(callbacks: Iterable[Callback]) -> dict[str, Any]:
    """Returns pace and memory.

    Args:
        callbacks: Those that the run has; what none of them measures is left out.
    """
    found: dict[str, Any] = {}
    for callback in callbacks:
        if isinstance(callback, ThroughputLog) and (pace := callback.summary()):
            found |= {"tokens_per_s": pace.tokens_per_s, "supervised_tokens_per_s": pace.supervised_tokens_per_s}
            found |= {"step_s": pace.step_s, "measured_steps": pace.steps, "idle_share": pace.idle_share}
        if isinstance(callback, MemoryLog) and callback.peak_bytes:
            found |= {"peak_bytes": callback.peak_bytes, "peak_reserved_bytes": callback.peak_reserved_bytes}
    return found


def memory(plan: Plan | None, found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the plan, and beside it the peak that was measured.

    Args:
        plan: The plan; None where the model couldn't be planned.
        found: What `measured` returned.
    """
    if plan is None:
        return {"plan": None}
    return {"plan": plan_data(plan)} | (compared(plan, found) if "peak_bytes" in found else {})


def oom_events(callbacks: Iterable[Callback]) -> list[dict[str, Any]]:
    """Returns what ran out of memory and was run again."""
    return [event for callback in callbacks if isinstance(callback, OomLog) for event in callback.events]


def curve(callbacks: Iterable[Callback]) -> dict[str, Any] | None:
    """Returns what the loss curve shows (`Diagnosis.to_dict`); None before the first step, and where no one looks."""
    doctor = next((callback for callback in callbacks if isinstance(callback, CurveDoctor)), None)
    found = doctor and doctor.diagnosis
    return found.to_dict() if found else None
