"""What was measured after training, as W&B shows it: summary values, tables, bar charts, the page.

In: the sections of the run card's `evaluation`. Out: calls of a `WandbRun`. Nothing is computed here: each number is
the card's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ftlab.logger.wandb import WandbRun

PREFIX = "evaluation"
"""What the keys of all that is shown begin with; the rest is the path in the run card."""

MEASURED = "measured"
"""The same of what the whole run took: pace, peak memory, trained parameters."""

PAGE = "report"

_MODELS = ("base", "tuned")
_ROWS = 200
"""Rows of a table; the card has all."""


def mirror(
    run: WandbRun, sections: Mapping[str, Any], page: Path | None, measured: Mapping[str, float | None] | None = None
) -> None:
    """Shows an evaluation in W&B.

    Args:
        run: The W&B run, not yet finished.
        sections: `evaluation` of the run card.
        page: The run's page; None where it couldn't be drawn.
        measured: What the whole run took; None or left out where that isn't known.
    """
    taken = {f"{MEASURED}/{key}": value for key, value in (measured or {}).items() if value is not None}
    run.summarise({**taken, **summary(sections)})
    for key, rows in tables(sections).items():
        run.show_table(f"{PREFIX}/{key}", rows)
    for key, (title, bars) in charts(sections).items():
        run.show_bars(f"{PREFIX}/{key}", title, bars)
    if page is not None:
        run.show_page(PAGE, page)


def summary(sections: Mapping[str, Any]) -> dict[str, float | str]:
    """Returns every single number of an evaluation, and the curve's verdict, by its path in the run card.

    >>> summary({"perplexity": {"answers": {"base": None, "tuned": {"loss": 0.5}}}})
    {'evaluation/perplexity/answers/tuned/loss': 0.5}

    Args:
        sections: `evaluation` of the run card; what is a list there is a table in W&B.
    """
    return dict(_leaves(sections, PREFIX))


def _leaves(node: Any, path: str) -> Iterator[tuple[str, float | str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(node, int | float) or (path.endswith(("/verdict", "/wants")) and isinstance(node, str)):
        yield path, node


def tables(sections: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Returns the lists of an evaluation as tables: rows with the same columns each.

    Args:
        sections: `evaluation` of the run card.

    Returns:
        Rows by name; only those that have rows.
    """
    perplexity, form, curve = (sections.get(key) or {} for key in ("perplexity", "format", "curve"))
    found = {
        "perplexity": list(_perplexity_rows(perplexity)),
        "format_failures": [dict(one) for one in (form.get("tuned") or {}).get("failures") or []],
        "lm_eval": [_flat(one) for one in sections.get("lm_eval") or []],
        "answers": [dict(one) for one in sections.get("samples") or []],
        "curve": [{key: _cell(value) for key, value in one.items()} for one in curve.get("findings") or []],
    }
    return {name: _even(rows[:_ROWS]) for name, rows in found.items() if rows}


def charts(sections: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, float]]]:
    """Returns the bar charts of an evaluation.

    Args:
        sections: `evaluation` of the run card.

    Returns:
        (title, lengths by name) by key; only those that have bars.
    """
    lines = _perplexity_rows(sections.get("perplexity") or {})
    causes = ((sections.get("format") or {}).get("tuned") or {}).get("causes") or {}
    perplexity = {
        f"{line['rows']}, {model}": line[f"{model}_perplexity"]
        for line in lines
        for model in _MODELS
        if line[f"{model}_perplexity"] is not None and isfinite(line[f"{model}_perplexity"])
    }
    found = {
        "perplexity_chart": ("Perplexity of held-out rows", perplexity),
        "format_causes_chart": ("Failing answers of the tuned model by cause", dict(causes)),
    }
    return {key: (title, bars) for key, (title, bars) in found.items() if bars}


def _perplexity_rows(section: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    whole = [("answers", section.get("answers")), ("whole texts", section.get("text"))]
    parts = [(one["name"], one) for key in ("sources", "lengths") for one in section.get(key) or []]
    for name, pair in [*whole, *parts]:
        measured = {model: (pair or {}).get(model) or {} for model in _MODELS}
        if any(measured.values()):
            yield {"rows": name} | {
                f"{model}_{key}": measured[model].get(key)
                for model in _MODELS
                for key in ("perplexity", "low", "high", "loss", "rows", "tokens")
            }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with what is nested in a cell of its own."""
    inner = ({f"{key}_{name}": one for name, one in (row.get(key) or {}).items()} for key in _MODELS)
    return {key: value for key, value in row.items() if key not in _MODELS} | {
        k: v for one in inner for k, v in one.items()
    }


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _even(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the same columns each."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]
