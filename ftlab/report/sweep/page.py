"""The page of a comparison, `comparison.html`: verdict, measured table, what quality costs, what became of jobs.

In: a comparison. Out: one HTML file that opens offline. Its only script sorts tables, and the page's policy names its
hash, so that nothing else runs.
"""

import base64
import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ftlab.report.page import render_page, write_html
from ftlab.report.run import override
from ftlab.report.scatter import SHAPES
from ftlab.report.sweep.cell import shown_value
from ftlab.report.sweep.choices import choices_of
from ftlab.report.sweep.comparison import Comparison
from ftlab.report.sweep.heat import heat_maps
from ftlab.report.sweep.plots import BARS_FROM, coloured, curves_plot, plane_plot
from ftlab.report.sweep.read import Job
from ftlab.report.sweep.settings import grid_command, settings_of
from ftlab.report.sweep.table import Cell, glance_of, head_of, lines_of, loss_key, words_of

FILE = "comparison.html"

_LIMIT_BYTES = 1_500_000
_TEXT_CHARACTERS = (600, 150, 30)
"""Of a longer text the rest is counted, not shown; where the page is too large all the same, it is drawn with less."""
_LOGS = ("ftlab.log", "console.log")
"""What a run writes, and what a launcher keeps of its output."""
_COMMANDS_SHOWN = 6
_SENTENCES_SHOWN = 6


def write_page(comparison: Comparison, folder: Path) -> Path:
    """Draws a comparison.

    Args:
        comparison: What was found.
        folder: Where the page goes; it links to the runs' own pages from there.

    Returns:
        The page.

    Raises:
        OSError: The page can't be written.
    """
    values = _values(comparison, folder)
    for characters in _TEXT_CHARACTERS:
        page = render_page("comparison.html", **_clipped(values, characters))
        if len(page.encode(errors="backslashreplace")) < _LIMIT_BYTES:
            break
    path = folder / FILE
    write_html(path, page)
    return path


def _values(comparison: Comparison, folder: Path) -> dict[str, Any]:
    script = files("ftlab.report").joinpath("template", "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    colours = coloured(comparison)
    settings = settings_of(comparison.jobs)
    swept = [key for key, _ in settings.swept]
    values = {
        "script": Markup(script),  # noqa: S704 (it is the package's own)
        "script_hash": Markup("sha256-{}").format(Markup(digest)),  # noqa: S704
        "shapes": SHAPES,
        "title": comparison.title,
        "folder": folder.resolve().name,
        "kind": _kind(comparison),
        **_verdict(comparison),
        "counts": list(comparison.counts.items()),
        "warnings": comparison.warnings,
        "facts": _facts(comparison),
        "not_done": [_unfinished(job, folder, swept) for job in comparison.not_done],
        "glance": glance_of(comparison, colours),
        "columns": head_of(comparison),
        "rows": lines_of(comparison, colours),
        "table_words": words_of(comparison),
        "coloured": len(colours),
        "uncoloured": len(comparison.rows) - len(colours),
        **_plots(comparison, colours),
        **choices_of(comparison, colours),
        **_maps(comparison),
        "settings": settings,
        "swept_keys": swept,
        "jobs": [_job(job, folder, swept, loss_key(comparison)) for job in comparison.jobs],
        **_commands(comparison),
        "redraw": _redraw(comparison, folder),
    }
    return values | {"parts_shown": _parts(values)}


def _clipped(node: Any, characters: int) -> Any:
    """The same with the ends of long texts left out, and counted in their place."""
    if isinstance(node, str) and not isinstance(node, Markup):
        more = len(node) - characters
        return node if more <= 0 else f"{node[:characters]}… ({more:,} more characters)"
    if isinstance(node, Mapping):
        return {key: _clipped(value, characters) for key, value in node.items()}
    if is_dataclass(node) and not isinstance(node, type):
        return {field.name: _clipped(getattr(node, field.name), characters) for field in fields(node)}
    return [_clipped(one, characters) for one in node] if isinstance(node, list | tuple) else node


def _verdict(comparison: Comparison) -> dict[str, Any]:
    """The sentences that stand open, first and last among them, and those that don't."""
    said = comparison.verdict or ("Nothing is said about these runs.",)
    if len(said) <= _SENTENCES_SHOWN + 1:
        return {"verdict": said, "verdict_more": ()}
    return {"verdict": (*said[: _SENTENCES_SHOWN - 1], said[-1]), "verdict_more": said[_SENTENCES_SHOWN - 1 : -1]}


def _kind(comparison: Comparison) -> str:
    if not any("loss" in row.values for row in comparison.rows):
        return "errors"
    return "warnings" if comparison.not_done or comparison.warnings else "clean"


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    """The numbers at the top, as (number, what it is)."""
    done = sum(job.status == "done" for job in comparison.jobs)
    facts = [(f"{done:,} of {len(comparison.jobs):,}", "runs done"), (f"{len(comparison.rows):,}", "rows compared")]
    found = [(row.values["loss"].mean, row.name) for row in comparison.rows if "loss" in row.values]
    if found:
        loss, name = min(found)
        facts.append((shown_value("loss", loss), f"least held-out loss: {name}"))
    times_s = [job.values["wall_s"] for job in comparison.jobs if "wall_s" in job.values]
    if times_s:
        facts.append((shown_value("wall_s", sum(times_s)), f"all {len(times_s):,} runs together"))
    return facts


def _plots(comparison: Comparison, colours: Mapping[int, int]) -> dict[str, Any]:
    peak = max((row.values["peak_bytes"].mean for row in comparison.rows if "peak_bytes" in row.values), default=0)
    size, unit = (2**30, "GiB") if peak >= 2**30 else (2**20, "MiB")
    wanted = [
        ("Target against forgetting", "forgetting", "forgetting: loss on general texts, after − before, nats", 1,
         "Down and left is better: less loss on the task, less forgotten."),
        ("Quality against memory", "peak_bytes", f"peak memory, {unit}", size,
         "Down and left is better: less loss, less memory."),
        ("Quality against speed", "tokens_per_s", "tokens a second, without padding", 1,
         "Down and right is better: less loss, more tokens a second."),
    ]  # fmt: skip
    bars = f" Bars: 95 % intervals, from {BARS_FROM} seeds on; small marks: single runs."
    several = any(len(row.jobs) > 1 for row in comparison.rows)
    planes = []
    for name, key, x_title, scale, words in wanted:
        plot = plane_plot(comparison, key, colours, loss=loss_key(comparison), x_title=x_title, size=scale)
        if plot is not None:
            planes.append((name, plot, words + (bars if several else "")))
    curves, left_out = curves_plot(comparison, colours)
    words = "On validation rows." + (" Thin lines: single runs; thick: their mean." if several else "")
    if curves is not None and left_out:
        words += f" {left_out:,} runs of these rows aren't drawn: they have no curve, or they would cover the others."
    return {"planes": planes, "curves": curves, "curves_words": words}


def _maps(comparison: Comparison) -> dict[str, Any]:
    maps, left_out = heat_maps(comparison)
    of_rows = len(comparison.by) >= 2 or not comparison.chosen_by
    words = "Held-out loss of the rows." if of_rows else "Held-out loss during training (validation rows)."
    return {"maps": maps, "maps_left_out": left_out, "maps_words": f"{words} Below each: its 95 % interval over seeds."}


def _unfinished(job: Job, folder: Path, swept: Sequence[str]) -> dict[str, Any]:
    return {
        "name": job.name,
        "status": job.status,
        "overrides": " ".join(f"{key}={job.overrides[key]}" for key in swept if key in job.overrides),
        "error": job.error,
        "folder": os.path.relpath(job.folder, folder) if job.folder else "",
        "report": _link(job, "report.html", folder),
        "logs": [(name, link) for name in _LOGS if (link := _link(job, name, folder))],
    }


def _job(job: Job, folder: Path, swept: Sequence[str], loss: str) -> dict[str, Any]:
    numbers = [
        ("held-out loss", "loss", loss),
        ("peak memory", "peak_bytes", "peak_bytes"),
        ("time", "wall_s", "wall_s"),
    ]
    return {
        "name": job.name,
        "status": job.status,
        "report": _link(job, "report.html", folder),
        "swept": [job.overrides.get(key, "") for key in swept],
        "numbers": [
            (name, Cell(shown_value(key, job.values.get(of)), value=job.values.get(of))) for name, key, of in numbers
        ],
    }


def _link(job: Job, file: str, folder: Path) -> str:
    """Where a file of a run lies, seen from the page; empty where there is none."""
    if job.folder is None or not (job.folder / file).is_file():
        return ""
    return quote(os.path.relpath(job.folder / file, folder))


def _commands(comparison: Comparison) -> dict[str, Any]:
    """What ran the sweep; where every job was started by itself, what runs them all, or else each of them."""
    typed = dict.fromkeys(tuple(job.facts["command"]) for job in comparison.jobs if job.facts.get("command"))
    of_sweeps = [words for words in typed if {"-m", "--multirun"} & set(words[3:])]
    grid = None if of_sweeps else grid_command(comparison.jobs)
    commands = [grid] if grid else [shlex.join(words) for words in of_sweeps or typed]
    return {"commands": commands[:_COMMANDS_SHOWN], "commands_left_out": max(0, len(commands) - _COMMANDS_SHOWN)}


def _redraw(comparison: Comparison, folder: Path) -> str:
    """What draws the page anew: from the folders of the sweeps, and those of single runs."""
    single = {job.folder for job in comparison.jobs if job.number is None}
    folders = [job.folder if job.folder in single else job.folder.parent for job in comparison.jobs if job.folder]
    by = shlex.quote(f"report.by=[{','.join(comparison.by)}]")
    words = [override("runs", *(dict.fromkeys(folders) or [folder])), by]
    if comparison.price_per_hour is not None:
        words.append(f"report.price_per_hour={comparison.price_per_hour:g}")
    return " ".join(["python -m ftlab task=report", *words])


def _parts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the page leads to: the parts that are on it."""
    parts = [
        ("glance", "At a glance", values["glance"]),
        ("table", "Measured", True),
        ("unfinished", "Without a result", values["not_done"]),
        ("plots", "What it costs", values["planes"] or values["curves"]),
        ("choices", "Chosen within rows", values["choices"]),
        ("maps", "Two keys", values["maps"]),
        ("settings", "Settings", True),
        ("jobs", "Jobs", True),
        ("again", "Do it again", True),
    ]
    return [(id, name) for id, name, there in parts if there]
