"""Perplexity, format, forgetting and the blind test as figures and table rows. In: a run's evaluation. Out: values.

Every function takes its section as the card holds it and gives None where that was not measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ftlab.report.interval import Estimate, Value, interval_plot
from ftlab.report.number import NOT_MEASURED, interval, number, percent, surprise, times
from ftlab.report.plot import Bar, bar_plot

Row = tuple[str, ...]

MODELS = ("base", "tuned")
_COLOURS = (2, 1)
_SHOWN = 12
"""Sources or lengths that are drawn; the table has up to `_LISTED`."""
_LISTED = 60
_CAUSES_SHOWN = 12

_RATES = {
    "strict": "strict JSON",
    "parses": "parses, text around it allowed",
    "schema": "fits the schema",
    "fields": "fields right",
    "stopped": "ended by itself",
    "exact": "exact match",
    "contains": "contains the reference",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
}
"""The format's shares from 0 to 1, by their keys."""


def perplexity(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Perplexity of answers and texts, by source and by length.

    Args:
        section: `perplexity` of the evaluation.

    Returns:
        `plots` (title, plot) and `rows` of the table; None without a section.
    """
    if not section:
        return None
    whole = [
        {"name": name, **(section.get(key) or {})} for name, key in (("answers", "answers"), ("whole texts", "text"))
    ]
    groups = {
        "Answers and whole texts": whole,
        "By source": section.get("sources") or [],
        "By length of the row": section.get("lengths") or [],
    }
    plots, rows, left_out = [], [], 0
    for place, (title, entries) in enumerate(groups.items()):
        if place and len(entries) < 2:
            continue
        for entry in entries[:_LISTED]:
            text = {"name": f"{entry['name']}, whole texts", **(entry.get("text") or {})}
            rows += [_perplexity_row(one) for one in (entry, text) if any(one.get(name) for name in MODELS)]
        left_out += max(0, len(entries) - _LISTED)
        if plot := _pair_plot(entries[:_SHOWN], "perplexity; bars: 95 % interval over rows"):
            plots.append((title, plot))
    return {"plots": plots, "rows": rows, "left_out": left_out}


def _perplexity_row(entry: Mapping[str, Any]) -> Row:
    base, tuned = (entry.get(name) or {} for name in MODELS)
    counted = tuned or base
    cells = (entry["name"], f"{counted.get('rows') or 0:,}", f"{counted.get('tokens') or 0:,}")
    return (
        *cells,
        *(cell for one in (base, tuned) for cell in (surprise(one), interval(one))),
        times(base, tuned),
    )


def _value(measured: Mapping[str, Any] | None) -> Value | None:
    found = (measured or {}).get("perplexity")
    return None if measured is None or found is None else Value(found, measured.get("low"), measured.get("high"))


def _pair_plot(entries: Sequence[Mapping[str, Any]], x_title: str) -> Markup | None:
    """Base and tuned of each entry; None where no value can be drawn."""
    estimates = [Estimate(str(entry["name"]), [_value(entry.get(name)) for name in MODELS]) for entry in entries]
    drawn = [one for one in estimates if any(value and value.numbers() for value in one.values)]
    return interval_plot(drawn, MODELS, colours=_COLOURS, x_title=x_title) if drawn else None


def form(section: Mapping[str, Any] | None, failures_shown: int) -> dict[str, Any] | None:
    """Whether answers keep their format, and why not.

    Args:
        section: `format` of the evaluation.
        failures_shown: Failing answers of each cause that are shown in full.

    Returns:
        `asked` and `of`: answers, and of how many they were drawn; `plot` and `rows` of the rates, `causes_plot` and
        `causes`: each with its failing answers; None without a section.
    """
    if not section:
        return None
    base, tuned = (section.get(name) or {} for name in MODELS)
    rates = {key: name for key, name in _RATES.items() if any(one.get(key) is not None for one in (base, tuned))}
    estimates = [Estimate(name, [_rate(one.get(key)) for one in (base, tuned)]) for key, name in rates.items()]
    rows: list[Row] = [(name, percent(base.get(key)), percent(tuned.get(key))) for key, name in rates.items()]
    if any(one.get("mean_tokens") is not None for one in (base, tuned)):
        rows.append(("tokens an answer", *(number(one.get("mean_tokens")) for one in (base, tuned))))
    counts = [one.get("causes") or {} for one in (base, tuned)]
    names = sorted({*counts[0], *counts[1]}, key=lambda name: (-counts[1].get(name, 0), -counts[0].get(name, 0), name))
    failures = list(tuned.get("failures") or [])
    plot = (
        interval_plot(estimates, MODELS, colours=_COLOURS, x_title="%; ROUGE-L and BLEU: score × 100", whole=(0, 100))
        if rates
        else None
    )
    return {
        "asked": section.get("asked") or 0,
        "of": section.get("of") or 0,
        "wants": section.get("wants"),
        "plot": plot,
        "rows": rows,
        "causes_plot": _causes_plot(names[:_CAUSES_SHOWN], counts[1]),
        "causes": [
            {
                "name": name,
                "base": counts[0].get(name, 0),
                "tuned": counts[1].get(name, 0),
                "failures": [one for one in failures if one.get("cause") == name][:failures_shown],
                "listed": sum(one.get("cause") == name for one in failures),
            }
            for name in names[:_CAUSES_SHOWN]
        ],
        "causes_left_out": max(0, len(names) - _CAUSES_SHOWN),
    }


def _rate(share: float | None) -> Value | None:
    return None if share is None else Value(100 * share)


def _causes_plot(names: Sequence[str], counts: Mapping[str, int]) -> Markup | None:
    bars = [Bar(name, (counts[name],), f"{counts[name]:,}") for name in names if counts.get(name)]
    return bar_plot(bars, ("tuned",), colours=_COLOURS[1:], x_title="failing answers by cause") if bars else None


def forgetting(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the model lost of what it knew before.

    Args:
        section: `forgetting` of the evaluation.

    Returns:
        `plot`, `rows`, `sources`; None without a section.
    """
    if not section:
        return None
    base, tuned = (section.get(name) or {} for name in MODELS)
    entry = {"name": "general texts", "base": base, "tuned": tuned}
    rows: list[Row] = []
    if any(one.get("perplexity") is not None for one in (base, tuned)):
        rows += [
            (
                "perplexity of general texts",
                *(surprise(one) for one in (base, tuned)),
                times(base, tuned),
            ),
            ("95 % interval over texts", *(interval(one) or NOT_MEASURED for one in (base, tuned)), ""),
        ]
    if any(one.get("probe") for one in (base, tuned)):
        rows.append(("simple questions answered right", *(_probe(one.get("probe")) for one in (base, tuned)), ""))
        cut = [(one.get("probe") or {}).get("cut") for one in (base, tuned)]
        if any(cut):
            cells = (NOT_MEASURED if count is None else f"{count:,}" for count in cut)
            rows.append(("answers to them cut off before their end", *cells, ""))
    return {
        "plot": _pair_plot([entry], "perplexity of general texts; bars: 95 % interval"),
        "rows": rows,
        "sources": ", ".join(map(str, section.get("sources") or ())),
    }


def tasks(section: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """What lm-eval's tasks say.

    Args:
        section: `lm_eval` of the evaluation.

    Returns:
        `rows` and how many are `left_out`; None without a section.
    """
    if not section:
        return None
    rows = [
        (
            str(one["task"]),
            str(one["metric"]),
            f"{one.get('rows') or 0:,}",
            *(_with_error(one.get(name)) for name in MODELS),
        )
        for one in section[:_LISTED]
    ]
    return {"rows": rows, "left_out": max(0, len(section) - _LISTED)}


def _with_error(found: Mapping[str, Any] | None) -> str:
    if not found:
        return NOT_MEASURED
    error = found.get("stderr")
    return number(found["value"]) + ("" if error is None else f" ± {number(error)}")


def _probe(probe: Mapping[str, Any] | None) -> str:
    return f"{probe['right']:,} of {probe['asked']:,}" if probe else NOT_MEASURED


def blind(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What experts said who didn't know which answer was whose.

    Args:
        section: `blind` of the evaluation.

    Returns:
        `plot` and `rows`; None without a section.
    """
    if not section:
        return None
    wins, ties, losses = (section.get(key) or 0 for key in ("wins", "ties", "losses"))
    arm, other = (*(section.get("arms") or ()), "tuned", "base")[:2]
    bar = Bar("pairs", (wins, ties, losses), f"{wins + ties + losses:,}")
    rows = [
        ("pairs", f"{section['items']:,}"),
        ("raters", f"{section['raters']:,}"),
        (f"{arm} preferred, of the pairs that were decided", percent(section.get("rate"))),
        ("95 % interval", f"{percent(section.get('low'))} to {percent(section.get('high'))}"),
        ("p of the sign test", number(section.get("p"))),
        ("agreement between raters (Krippendorff's alpha)", number(section.get("alpha"))),
    ]
    plot = bar_plot([bar], (f"{arm} better", "tie", f"{other} better"), colours=(1, 0, 2), x_title="pairs of answers")
    return {"plot": plot, "rows": rows}
