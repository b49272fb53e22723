"""The sweep as a table: which rows are shown, and what stands in them. Needs rich."""

import re
from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status
from hydra_plugins.hydra_gpu_pool_launcher._words import bytes_text, duration, labels, left_s, sweep_left_s

_STYLES = {
    Status.WAITING: "dim",
    Status.RUNNING: "cyan",
    Status.DONE: "green",
    Status.FAILED: "red",
    Status.INTERRUPTED: "yellow",
    Status.NOT_STARTED: "yellow",
}

_URGENCY = (Status.RUNNING, Status.FAILED, Status.INTERRUPTED, Status.WAITING, Status.NOT_STARTED, Status.DONE)
"""Which jobs are shown first where there is no room for all."""

FRAME_LINES = 5
"""Lines around the rows: the head, its rule, the line of counts, that of hidden jobs, the cursor's."""

_COLUMNS = ("#", "job", "slot", "state", "step", "loss", "memory", "time", "left")
_TO_THE_RIGHT = {"#", "step", "loss", "memory", "time", "left"}
_DISPENSABLE = ("slot", "memory", "time", "loss", "#", "left", "step")
"""Columns that a narrow terminal does without, in this order."""
_JOB_WIDTH = 20


def draw(jobs: Sequence[Job], slots: int, width: int, lines: int, now_s: float) -> RenderableType:
    """Draws the table.

    Args:
        jobs: All jobs of the launch.
        slots: How many run at a time.
        width: Columns of the terminal.
        lines: Lines of the terminal.
        now_s: The present moment, seconds since 1970.

    Returns:
        What rich shows.
    """
    shown = choose(jobs, max(3, lines - FRAME_LINES))
    names = short_labels(jobs)
    rows = [dict(zip(_COLUMNS, _cells(job, names[job.num], now_s), strict=True)) for job in shown]
    widths = {name: max([len(name), *(len(row[name]) for row in rows)]) for name in _COLUMNS}
    columns = _columns_that_fit(widths, width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        least = None if name == "job" else widths[name]
        justify = "right" if name in _TO_THE_RIGHT else "left"
        table.add_column(name, justify=justify, min_width=least, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    counts = Counter(job.status for job in jobs)
    head = Text(" · ").join(Text(f"{counts[kind]} {kind}", style=_STYLES[kind]) for kind in Status if counts[kind])
    left = sweep_left_s(jobs, slots, now_s)
    if left is not None:
        head.append(f" · about {duration(left)} left", style="dim")
    hidden = Counter(job.status for job in jobs if job not in shown)
    parts: list[RenderableType] = [head, table]
    if hidden:
        parts.append(Text("and " + ", ".join(f"{count} {kind}" for kind, count in hidden.items()), style="dim"))
    return Group(*parts)


def choose(jobs: Sequence[Job], room: int) -> list[Job]:
    """Chooses the jobs to show, in the order of their numbers.

    Args:
        jobs: All of them.
        room: How many there is room for.

    Returns:
        All, or the most urgent ones: running, failed, those that are next, the latest that are done.
    """
    if len(jobs) <= room:
        return sorted(jobs, key=lambda job: job.num)
    urgent = sorted(jobs, key=lambda job: (_URGENCY.index(job.status), -(job.ended_s or 0.0), job.num))
    return sorted(urgent[:room], key=lambda job: job.num)


def short_labels(jobs: Sequence[Job]) -> dict[int, str]:
    """Names jobs as `labels` does, without the path before each key where no two keys become the same by that."""
    names = labels(jobs)
    keys = {text.partition("=")[0].lstrip("+") for name in names.values() for text in name.split(" ")}
    if len({key.rpartition(".")[2] for key in keys}) < len(keys):
        return names
    return {num: re.sub(r"(?<!\S)\+*(?:\w+\.)*(\w+=)", r"\1", name) for num, name in names.items()}


def _columns_that_fit(widths: dict[str, int], width: int) -> list[str]:
    """Leaves out columns until the jobs' names have room."""
    columns = list(_COLUMNS)
    needed = widths | {"job": min(widths["job"], _JOB_WIDTH)}
    for name in _DISPENSABLE:
        if sum(needed[column] + 2 for column in columns) <= width:
            break
        columns.remove(name)
    return columns


def _cells(job: Job, label: str, now_s: float) -> list[Text]:
    told = job.progress
    step = f"{told['step']}/{told['steps']}" if "step" in told and "steps" in told else str(told.get("step", ""))
    loss = f"{told['loss']:.4g}" if "loss" in told else ""
    memory = bytes_text(told["memory_bytes"]) if "memory_bytes" in told else ""
    left = left_s(job, now_s)
    state = "done before" if job.was_done else str(job.status)
    if job.status == Status.RUNNING and told.get("note"):
        state = str(told["note"])
    if job.attempts > 1:
        state += f" (try {job.attempts})"
    took = duration(job.seconds) if job.started_s is not None else ""
    remaining = duration(left) if left is not None else ""
    cells = [str(job.num), label, job.slot, state, step, loss, memory, took, remaining]
    style = _STYLES[job.status]
    return [Text(cell, style=style if place in (0, 3) else "") for place, cell in enumerate(cells)]
