"""An evaluation in the terminal, in full: perplexity by source and length, every measure of the answers, why some fail.

In: the sections of an evaluation, as the card holds them. The summary has the few numbers that matter most.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftlab.report.number import counted, interval, number, percent, surprise

_MODELS = ("base", "tuned")
_MEASURES = {
    "strict": "strict JSON",
    "parses": "JSON, text around it allowed",
    "schema": "fits the schema",
    "fields": "fields as in the reference",
    "stopped": "ended by themselves",
    "mean_tokens": "mean length, tokens",
    "exact": "equal to the reference",
    "contains": "hold the reference",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
}
"""What answers are measured by, in the order of the table."""
_COUNTS = ("mean_tokens",)
"""Those of them that are no shares."""

_CHARACTERS = 200
"""Of an answer or a reference that are shown."""


def print_details(console: Console, sections: Mapping[str, Any]) -> None:
    """Prints the tables of what was measured.

    Args:
        console: Where to.
        sections: `evaluation` of the card.
    """
    perplexity, form = sections.get("perplexity") or {}, sections.get("format") or {}
    for title, key in (("Perplexity by source", "sources"), ("Perplexity by length of the row", "lengths")):
        if len(groups := perplexity.get(key) or ()) > 1:
            console.print(_groups_table(title, groups))
    if difference := perplexity.get("difference"):
        console.print(Text(f"\n{_difference(difference)}"))
    if form:
        console.print(_measures_table(form))
        if causes := _causes(form):
            console.print(_causes_table(form, causes))


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column(style="dim")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _groups_table(title: str, groups: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(title, "rows", "base", "95 % interval", "tuned", "95 % interval")
    for group in groups:
        counted = next(group[name] for name in reversed(_MODELS) if group.get(name))
        cells = [cell for name in _MODELS for cell in _figure(group.get(name))]
        table.add_row(group["name"], f"{counted['rows']:,}", *cells)
    return table


def _difference(found: Mapping[str, float]) -> str:
    return (
        f"Loss a token of the answers, tuned less base: {found['loss']:+.3f} nats, by the same rows "
        f"{found['low']:+.3f} to {found['high']:+.3f} (95 % interval)."
    )


def _figure(found: Mapping[str, Any] | None) -> tuple[str, str]:
    if not found:
        return "–", ""
    return surprise(found), interval(found) or "–"


def _measures_table(form: Mapping[str, Any]) -> Table:
    asked = counted(form["asked"], form.get("of"), "answers")
    table = _table(f"{asked} that should be {_wanted(form)}", *_MODELS)
    for key, name in _MEASURES.items():
        values = [(form.get(model) or {}).get(key) for model in _MODELS]
        if any(value is not None for value in values):
            table.add_row(name, *(_value(key, value) for value in values))
    return table


def _wanted(form: Mapping[str, Any]) -> str:
    return "JSON" if form["wants"] == "json" else "text"


def _value(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return number(value) if key in _COUNTS else percent(value)


def _causes(form: Mapping[str, Any]) -> list[str]:
    """Every cause, those of the tuned model's failures first, the most frequent first."""
    counts = {name: (form.get(name) or {}).get("causes", {}) for name in _MODELS}
    return list(dict.fromkeys(cause for name in reversed(_MODELS) for cause in counts[name]))


def _causes_table(form: Mapping[str, Any], causes: Sequence[str]) -> Table:
    table = Table(title="\nAnswers that fail, by cause", title_justify="left", title_style="bold", expand=True)
    table.add_column("cause", ratio=2)
    for name in _MODELS:
        table.add_column(name, justify="right", width=5)
    table.add_column("for example (tuned)", ratio=4, overflow="fold")
    table.add_column("reference", ratio=4, overflow="fold")
    for cause in causes:
        table.add_row(cause, *(_count(form.get(name), cause) for name in _MODELS), *_example(form.get("tuned"), cause))
    return table


def _count(judged: Mapping[str, Any] | None, cause: str) -> str:
    return "–" if judged is None else str(judged["causes"].get(cause, 0))


def _example(judged: Mapping[str, Any] | None, cause: str) -> Iterator[Text]:
    """The first failing answer of this cause, and its reference."""
    failures = judged["failures"] if judged else ()
    first = next((failure for failure in failures if failure["cause"] == cause), None)
    yield _short(first["answer"] if first else "")
    yield _short(f"{first['reference']}  ({first['where']})" if first else "")


def _short(text: str) -> Text:
    return Text(text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]} …")
