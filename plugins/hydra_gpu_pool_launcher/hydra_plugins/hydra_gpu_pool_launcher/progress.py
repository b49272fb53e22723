"""How a job tells the launcher's table how far it is: a small JSON file that any program can write.

The launcher names the file in the environment variable `GPU_POOL_PROGRESS`. It holds one object; every key may be left
out: `step`, `steps` (numbers), `loss` (number), `memory_bytes`, `left_s` (seconds to the end; without it the table
reckons them from the steps), `note` (a word or two). The file is replaced as a whole, never written in place.
"""

import json
import os
from pathlib import Path

VARIABLE = "GPU_POOL_PROGRESS"


def is_watched() -> bool:
    """Returns whether a launcher wants to know."""
    return bool(os.environ.get(VARIABLE))


def report(
    *,
    step: int | None = None,
    steps: int | None = None,
    loss: float | None = None,
    memory_bytes: int | None = None,
    left_s: float | None = None,
    note: str | None = None,
) -> None:
    """Writes how far this job is; does nothing outside of the launcher, so that an application may always call it.

    The table looks about twice a second: more than that is wasted. A full disk, or a folder that is gone, must not end
    a job: the report is then missing from the table, and the job goes on.

    Args:
        step: Steps done.
        steps: Steps in all.
        loss: The latest loss.
        memory_bytes: Peak memory of the device.
        left_s: Seconds to the end.
        note: What the job does, in a word or two.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    told = {"step": step, "steps": steps, "loss": loss, "memory_bytes": memory_bytes, "left_s": left_s, "note": note}
    new = Path(f"{path}.new")
    try:
        new.write_text(json.dumps({key: value for key, value in told.items() if value is not None}), encoding="utf-8")
        new.replace(path)
    except OSError:
        return
