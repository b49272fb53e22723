"""The files of a comparison hold its numbers, and hostile names in them stay names."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison, Measured
from ftlab.report.sweep.read import read_sweep
from ftlab.report.sweep.terminal import print_comparison
from ftlab.report.sweep.text import markdown, table, write_texts
from tests.reference.made_sweep import made_card, made_job, made_multirun, made_sweep

HOSTILE = "=cmd|' /C calc'!A0 | [red]x[/red] <script>alert(1)</script> `rm`\nnext \x1b[31m *b* _c_ \u202e"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("sweep")
    made_sweep(folder, ["full", "lora", "qlora"], ["1e-4", "2e-4", "4e-4"], range(1, 6))
    return compare(read_sweep(folder), price_per_hour=2.5)


@pytest.fixture(scope="module")
def hostile(comparison: Comparison) -> Comparison:
    first, *others = comparison.rows
    job = replace(comparison.not_done[0], name=HOSTILE, error=HOSTILE, overrides={"method": HOSTILE})
    return replace(
        comparison,
        title=HOSTILE,
        rows=(replace(first, name=HOSTILE, settings={"method": HOSTILE}, choose=HOSTILE), *others),
        jobs=(job, *comparison.jobs),
        verdict=(HOSTILE,),
        warnings=(HOSTILE,),
    )


def cells(line: str) -> list[str]:
    """The cells of a Markdown table's line."""
    return [cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|")]


def test_markdown_table_has_a_cell_for_every_column_of_every_row(comparison: Comparison) -> None:
    lines = markdown(comparison).split("\n")
    assert lines[0] == "# tiny · demo · by method"
    rows = [cells(line) for line in lines[2:8]]
    assert [row[0] for row in rows] == ["method", "---", "base", "full", "lora", "qlora"]
    assert {len(row) for row in rows} == {len(comparison.columns) + 3}
    lora = comparison.rows[1].values["loss"]
    assert lora.low
    assert rows[4][1] == f"{lora.mean:.3f} ({lora.low:.3f} to {lora.high:.3f})"
    assert "## Not done" in lines


def test_markdown_makes_nothing_of_hostile_names(hostile: Comparison) -> None:
    text = markdown(hostile)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    body = [line for line in text.split("\n") if line.startswith("|")]
    assert len(cells(body[3])) == len(hostile.columns) + 3
    for mark in ("`rm`", " *b*", " _c_", "| [red]", " [red]"):
        assert mark not in text


def test_csv_holds_the_exact_numbers(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(table(comparison))))
    assert [row["method"] for row in rows] == ["full", "lora", "qlora"]
    for row, own in zip(rows, comparison.rows, strict=True):
        assert float(row["loss"]) == own.values["loss"].mean
        assert float(row["loss high"]) == own.values["loss"].high
        assert int(row["loss seeds"]) == len(own.jobs)
        assert float(row["cost"]) == own.values["cost"].mean
        assert row["chosen optimizer.lr"] == own.chosen["optimizer.lr"]
        assert (int(row["done"]), int(row["asked"])) == (own.done, own.asked)
    assert rows[0]["difference"] == ""
    difference = comparison.rows[2].difference
    assert difference
    assert float(rows[2]["p holm"]) == difference.p_holm


def test_csv_has_no_formula(hostile: Comparison) -> None:
    lines = list(csv.reader(io.StringIO(table(hostile))))
    assert lines[1][0] == f"'{HOSTILE}"
    numbers = [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@"))]
    assert all(float(cell) < 0 for cell in numbers)


def test_files_are_written_whole_and_read_back(hostile: Comparison, tmp_path: Path) -> None:
    files = write_texts(hostile, tmp_path)
    assert [file.name for file in files] == ["comparison.md", "comparison.csv", "comparison.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)
    document = json.loads(files[2].read_text(encoding="utf-8"))
    assert document["rows"][0]["name"] == HOSTILE
    assert document["counts"] == dict(hostile.counts)
    assert len(document["jobs"]) == len(hostile.jobs)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_terminal_shows_all_columns_within_its_width(comparison: Comparison, width: int) -> None:
    wide = {"loss": (1.088, 0.963, 1.214), "perplexity": (2.97, 2.62, 3.366), "format_rate": (0.533, 0.246, 0.82)}
    wide |= {"forgetting": (0.371, 0.081, 0.662), "general_rate": (0.842, 0.685, 0.998)}
    widest = {key: Measured(*ends, 3) for key, ends in wide.items()}
    rows = tuple(replace(row, values={**row.values, **widest}) for row in comparison.rows)
    comparison = replace(comparison, rows=rows)
    console = Console(width=width, record=True, file=io.StringIO())
    print_comparison(console, comparison, "multirun/comparison.html")
    lines = console.export_text().split("\n")
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for head in ("perplexity", "format", "questions", " p ", "memory", "tok/s", "time", "cost", "kept", "runs"):
        assert head in text
    for row in comparison.rows:
        assert f"{row.values['loss'].mean:.3f}" in text
        assert f"{row.done}/{row.asked}" in text
    assert "…" not in text
    assert "multirun/comparison.html" in text


def test_terminal_shows_hostile_names_as_text(hostile: Comparison) -> None:
    console = Console(width=100, record=True, file=io.StringIO(), force_terminal=False)
    print_comparison(console, hostile)
    text = console.export_text()
    assert "[red]x[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_terminal_draws_no_empty_table(tmp_path: Path) -> None:
    made_multirun(tmp_path, "method=full,lora")
    made_job(tmp_path, 0, {"method": "full"}, made_card({"method": "full"}, {}, status="interrupted", error="Ctrl-C"))
    console = Console(width=80, record=True, file=io.StringIO())
    print_comparison(console, compare(read_sweep(tmp_path)))
    text = console.export_text()
    assert "runs" not in text.split("Verdict")[0]
    assert "interrupted  0-full: Ctrl-C" in text
    assert "missing      #1: it was never started" in text
