"""A comparison as files for people and programs: Markdown, CSV, JSON. In: a comparison. Out: text.

Names come from data sets, folders and command lines. In Markdown nothing of them is markup; in CSV no cell begins a
formula when a spreadsheet opens it.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ftlab.report.sweep.cell import shown_interval, shown_p, shown_value
from ftlab.report.sweep.comparison import Column, Comparison, Row
from ftlab.report.sweep.read import Job

MARKDOWN, CSV, JSON = "comparison.md", "comparison.csv", "comparison.json"

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$@]|^[+#-])")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV injection")."""


def write_texts(comparison: Comparison, folder: Path) -> list[Path]:
    """Writes a comparison as Markdown, CSV and JSON, each file whole or not at all.

    Args:
        comparison: What to write.
        folder: Where to.

    Returns:
        The files.

    Raises:
        OSError: They can't be written.
    """
    content = {MARKDOWN: markdown(comparison), CSV: table(comparison), JSON: document(comparison)}
    for name, text in content.items():
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.write_text(text, encoding="utf-8", newline="", errors="backslashreplace")
        temporary.replace(folder / name)
    return [folder / name for name in content]


def markdown(comparison: Comparison) -> str:
    """Returns a comparison as Markdown, with GitHub's tables: rows, when to choose which, verdict, what isn't done."""
    columns = comparison.columns
    head = [", ".join(comparison.by) or "runs", *(column.title for column in columns), "p", "runs"]
    base = base_values(comparison.rows)
    rows = [["base", *(shown_value(column.key, base.get(column.key)) for column in columns), "", ""]] if base else []
    rows += [
        [row.name, *(_cell(row, column) for column in columns), _p(row), f"{row.done:,}/{row.asked:,}"]
        for row in comparison.rows
    ]
    parts = [f"# {_escaped(comparison.title)}", _table(head, rows), _NOTE]
    if any(row.choose for row in comparison.rows):
        head = [", ".join(comparison.by), "peak memory", "speed", "quality kept", "when to choose"]
        parts.append(_table(head, [guide_cells(row) for row in comparison.rows]))
    parts.append("\n".join(f"- {_escaped(sentence)}" for sentence in comparison.verdict))
    if comparison.warnings:
        parts += ["## Warnings", "\n".join(f"- {_escaped(sentence)}" for sentence in comparison.warnings)]
    if comparison.not_done:
        lines = [[job.name, _typed(job), job.status, job.error] for job in comparison.not_done]
        parts += ["## Not done", _table(["job", "overrides", "status", "reason"], lines)]
    return "\n\n".join(parts) + "\n"


_NOTE = (
    "In brackets: 95 % interval over seeds (Student's t). p: held-out loss against the first row, paired t test over "
    "seeds, adjusted by Holm."
)


def guide_cells(row: Row) -> list[str]:
    """Returns a row beside the first in a few words: name, memory, speed, quality kept, when to choose it."""
    ratios = (f"{row.ratios[key]:.2f} ×" if key in row.ratios else "–" for key in ("peak_bytes", "tokens_per_s"))
    return [row.name, *ratios, shown_value("kept", row.kept), row.choose or ("no result" if not row.jobs else "–")]


def base_values(rows: Sequence[Row]) -> dict[str, float]:
    """Returns what the base was worth, by the keys of columns: that of the first row that has one."""
    for row in rows:
        found = {key.removeprefix("base_"): one.mean for key, one in row.values.items() if key.startswith("base_")}
        if found:
            return found
    return {}


def table(comparison: Comparison) -> str:
    """Returns the rows as CSV: settings, for each column its mean, low, high and seeds, the difference from the first.

    Numbers are in the columns' own units (nats, bytes, seconds, shares); what isn't known is empty.
    """
    keys = [column.key for column in comparison.columns]
    base = sorted({key for row in comparison.rows for key in row.values if key.startswith("base_")})
    head = ["row", *comparison.by, *(f"chosen {key}" for key in comparison.chosen_by)]
    head += [f"{key}{end}" for key in (*keys, *base) for end in ("", " low", " high", " seeds")]
    head += ["kept", "difference", "difference low", "difference high", "p", "p holm", "done", "asked", "choose"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_safe(name) for name in head])
    for row in comparison.rows:
        cells: list[Any] = [row.name, *(row.settings[key] for key in comparison.by)]
        cells += [row.chosen.get(key) for key in comparison.chosen_by]
        for key in (*keys, *base):
            one = row.values.get(key)
            cells += [one.mean, one.low, one.high, one.count] if one else [None] * 4
        found = row.difference
        cells.append(row.kept)
        cells += [found.mean, found.low, found.high, found.p, found.p_holm] if found else [None] * 5
        writer.writerow([_safe(cell) for cell in (*cells, row.done, row.asked, row.choose)])
    return stream.getvalue()


def document(comparison: Comparison) -> str:
    """Returns all of a comparison as JSON."""
    return json.dumps(comparison.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _cell(row: Row, column: Column) -> str:
    measured = row.values.get(column.key)
    if measured is None:
        return "–"
    interval = shown_interval(column.key, measured)
    return shown_value(column.key, measured.mean) + (f" ({interval})" if interval else "")


def _p(row: Row) -> str:
    return shown_p(row.difference.p_holm) if row.difference else ""


def _typed(job: Job) -> str:
    return " ".join(f"{key}={value}" for key, value in job.overrides.items())


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[_escaped(cell) for cell in row] for row in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def one_line(text: str) -> str:
    """Returns a text without line breaks and characters that can't be seen or that steer a terminal."""
    return " ".join(_BREAKS.sub(" ", text).split())


def _escaped(text: str) -> str:
    """Text of which Markdown and HTML make nothing but text, in one line."""
    return _MARKUP.sub(r"\\\1", one_line(text)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _safe(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(cell, float):
        return cell if isfinite(cell) else str(cell)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
