"""What a device has: from what the user says, or from asking the machine. PyTorch is not needed."""

import re
import shutil
import subprocess
from pathlib import Path

import psutil

from ftlab.problem import InputError, Problem

LABEL_SHARE = 0.985
"""A card sold as 24 GB holds 24 GiB, of which the driver keeps up to 1.5 %."""

_UNITS = {"GB": 2**30 * LABEL_SHARE, "G": 2**30 * LABEL_SHARE, "": 2**30 * LABEL_SHARE, "GIB": 2**30, "MIB": 2**20}
_CGROUP = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where Linux says what a container may use and uses, in the newer and the older form."""


def stated_bytes(memory: str | int | float) -> int | None:
    """Reads `trainer.memory`.

    Args:
        memory: `auto`, or a size: `24GB` and `24` are a card's label, `22.5GiB` and `23034MiB` are exact.

    Returns:
        Bytes; None for `auto`.

    Raises:
        InputError: It is no size.

    >>> stated_bytes("22.5GiB")
    24159191040
    """
    if memory == "auto":
        return None
    read = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(memory))
    if read is None or read[2].upper() not in _UNITS or float(read[1]) <= 0:
        what = f"must be auto or a size, but is {memory!r}."
        raise InputError([Problem("trainer.memory", what, "Write it as 24GB, 22.5GiB or 23034MiB.")])
    return int(float(read[1]) * _UNITS[read[2].upper()])


def host_bytes() -> int:
    """RAM that this process can have: what is free, its own, and no more than its container allows."""
    own: int = psutil.Process().memory_info().rss
    free: int = psutil.virtual_memory().available
    for limit_file, used_file in _CGROUP:
        limit = _number(limit_file)
        if limit is not None:
            free = min(free, max(0, limit - (_number(used_file) or 0)))
    return free + own


def card_bytes() -> int | None:
    """Memory of the first GPU as its driver says, without opening it; None where there is none."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id=0"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout
        return int(said.strip()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _number(file: str) -> int | None:
    try:
        text = Path(file).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**60 else None
