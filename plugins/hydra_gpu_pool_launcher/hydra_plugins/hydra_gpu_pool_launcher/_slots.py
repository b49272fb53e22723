"""The slots of the pool: which GPUs there are, and how they are dealt out.

In: options and the environment. Out: slots, each with the environment variables that make a job see its GPUs alone.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hydra_plugins.hydra_gpu_pool_launcher._failure import OptionError

VISIBLE = "CUDA_VISIBLE_DEVICES"

_GPU = re.compile(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)")
_MIG = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time.

    Attributes:
        name: As the table shows it: `GPU 0`, `GPU 0,1`, `CPU 2`.
        environment: Variables of the job's process.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


def list_gpus() -> str | None:
    """Returns what `nvidia-smi -L` prints; None where there is no such program, or it fails."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def find_slots(
    devices: Sequence[str] | None,
    *,
    gpus_per_job: int = 1,
    jobs_per_gpu: int = 1,
    cpu_slots: int = 1,
    environment: Mapping[str, str] = os.environ,
    listing: Callable[[], str | None] = list_gpus,
) -> tuple[list[Slot], list[str]]:
    """Deals out the GPUs, or CPU slots where there is none.

    Args:
        devices: As in `GpuPoolLauncherConf`.
        gpus_per_job: GPUs of a slot.
        jobs_per_gpu: Slots that share the same GPUs.
        cpu_slots: Slots where there is no GPU.
        environment: The launcher's own.
        listing: Gives the text of `nvidia-smi -L`.

    Returns:
        The slots, and what to tell the user about them.

    Raises:
        OptionError: The options can't be met.
    """
    visible = _split(environment[VISIBLE]) if VISIBLE in environment else None
    ordered: dict[str, str] = {}
    if devices is not None:
        ids = [str(device).strip() for device in devices]
        _check_given(ids, visible)
    elif visible is not None:
        ids = visible
    else:
        ids = parse_listing(listing() or "")
        # nvidia-smi counts in the order of the bus, CUDA by speed unless it is told otherwise.
        ordered = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if ids and ids[0].isdigit() else {}
    if not ids:
        return _cpu_slots(cpu_slots, hides_gpus=devices is not None, environment=environment), []
    return _gpu_slots(ids, gpus_per_job, jobs_per_gpu, ordered)


def parse_listing(text: str) -> list[str]:
    """Reads `nvidia-smi -L`.

    Args:
        text: What it printed.

    Returns:
        An index for each GPU; for one that is cut into MIG instances, their UUIDs in its place. A process sees one MIG
        instance at most, and can name it by its UUID alone. Where instances and whole GPUs are mixed, all are named by
        UUID: CUDA doesn't take a list of both kinds of names.
    """
    found: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        if whole := _GPU.match(line):
            found.append((whole[1], whole[2], []))
        elif (part := _MIG.match(line)) and found:
            found[-1][2].append(part[1])
    if not any(instances for _, _, instances in found):
        return [index for index, _, _ in found]
    return [name for _, uuid, instances in found for name in (instances or [uuid])]


def _split(visible: str) -> list[str]:
    """Reads CUDA_VISIBLE_DEVICES as CUDA does: the first entry that names no device ends the list."""
    entries = []
    for entry in visible.split(","):
        name = entry.strip()
        if not (name.isdigit() or name.startswith(("GPU-", "MIG-"))):
            break
        entries.append(name)
    return entries


def _check_given(ids: Sequence[str], visible: Sequence[str] | None) -> None:
    if len(set(ids)) < len(ids):
        raise OptionError(f"`hydra.launcher.devices` must name each GPU once, but is {list(ids)}. Use jobs_per_gpu.")
    wrong = [name for name in ids if not (name.isdigit() or name.startswith(("GPU-", "MIG-")))]
    if wrong:
        raise OptionError(f"`hydra.launcher.devices` must hold indices, GPU-... or MIG-... names, but holds {wrong}.")
    hidden = [] if visible is None else [name for name in ids if name not in visible]
    if hidden:
        raise OptionError(
            f"`hydra.launcher.devices` must be among {VISIBLE}={','.join(visible or [])}, but {hidden} are not. "
            "Name some of those, or leave hydra.launcher.devices out."
        )


def _gpu_slots(ids: list[str], per_job: int, share: int, ordered: Mapping[str, str]) -> tuple[list[Slot], list[str]]:
    if per_job > len(ids):
        raise OptionError(
            f"`hydra.launcher.gpus_per_job` must be at most {len(ids)}, the GPUs found, but is {per_job}."
        )
    if per_job > 1 and any(name.startswith("MIG-") for name in ids):
        raise OptionError(
            "`hydra.launcher.gpus_per_job` must be 1 with MIG instances: a process sees only one of them."
        )
    groups = [ids[start : start + per_job] for start in range(0, len(ids) - per_job + 1, per_job)]
    left = len(ids) - len(groups) * per_job
    notes = [f"{left} of {len(ids)} GPUs stay unused: gpus_per_job={per_job} doesn't divide them."] if left else []
    slots = [Slot(f"GPU {','.join(group)}", {VISIBLE: ",".join(group), **ordered}) for group in groups]
    return slots * share, notes


def _cpu_slots(count: int, *, hides_gpus: bool, environment: Mapping[str, str]) -> list[Slot]:
    variables = {VISIBLE: ""} if hides_gpus else {}
    if count > 1 and "OMP_NUM_THREADS" not in environment:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        variables["OMP_NUM_THREADS"] = str(max(1, cores // count))
    return [Slot(f"CPU {number}", variables) for number in range(count)]
