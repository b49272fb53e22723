"""Memory, data and settings of a run as figures and table rows. In: the run's card. Out: values for the page."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ftlab.report.number import percent
from ftlab.report.plot import Bar, bar_plot

Row = tuple[str, ...]

GIB = 2**30

_KEYS_LISTED = 400
_VALUE_CHARACTERS = 300
_GROUPS_LISTED = 60
_FINDINGS_SHOWN = 3
_EVENTS_LISTED = 40
_NOTES_LISTED = 60


def memory(card: Mapping[str, Any]) -> dict[str, Any] | None:
    """The memory plan, term by term, against what was measured.

    Args:
        card: The run card.

    Returns:
        `plot`, `rows`, `words`; `events`: rows of what ran out; None where neither plan nor measurement is there.
    """
    known, measured = card.get("memory") or {}, card.get("measured") or {}
    plan, peak = known.get("plan"), measured.get("peak_bytes")
    if not plan and not peak:
        return None
    rows: list[Row] = []
    bars: list[Bar] = []
    if plan:
        terms = [(name, size) for name, size in plan["terms"].items() if size]
        total = plan["total_bytes"] or 1
        rows += [(name, _gib(size), percent(size / total)) for name, size in terms]
        rows.append(("planned together", _gib(plan["total_bytes"]), ""))
        bars += [Bar(name, (size / GIB, 0, 0), _gib(size)) for name, size in terms]
    planned = known.get("planned_peak_bytes")
    if planned is not None:
        rows.append(("planned, of what was measured", _gib(planned), ""))
        bars.append(Bar("planned peak", (0, planned / GIB, 0), _gib(planned)))
    if peak:
        rows.append(("measured peak", _gib(peak), "" if planned is None else f"{percent(peak / planned)} of the plan"))
        bars.append(Bar("measured peak", (0, 0, peak / GIB), _gib(peak)))
    if measured.get("peak_reserved_bytes"):
        rows.append(("held by the allocator at most", _gib(measured["peak_reserved_bytes"]), ""))
    return {
        "plot": bar_plot(bars, ("term", "planned", "measured"), colours=(0, 1, 2), x_title="GiB") if bars else None,
        "rows": rows,
        "words": _memory_words(plan, known.get("off")),
        **_oom_events(card.get("oom_events") or []),
    }


def _memory_words(plan: Mapping[str, Any] | None, off: float | None) -> str:
    words = []
    if plan:
        what = "the memory of the process" if plan.get("device") == "cpu" else "bytes in tensors"
        words.append(
            f"Planned for {plan['micro_batch_tokens']:,} tokens a forward pass and rows of up to "
            f"{plan['longest_row_tokens']:,} tokens, recompute={plan['recompute']}; measured is {what}, which no "
            "device splits by term."
        )
    else:
        words.append("The run has no plan: its model is none that can be planned.")
    if off is not None:
        words.append(f"The plan is {percent(abs(off))} {'above' if off > 0 else 'below'} the measured peak.")
    return " ".join(words)


def _oom_events(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    rows = [
        (
            f"{event.get('step')}",
            str(event.get("phase", "")),
            f"{event.get('longest_row', 0):,}",
            f"{event.get('budget_before', 0):,} → {event.get('budget_after', 0):,}",
            str(event.get("recompute") or "as before"),
        )
        for event in found[:_EVENTS_LISTED]
    ]
    return {"events": rows, "events_left_out": len(found) - len(rows)}


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f} GiB" if size >= GIB / 100 else f"{size / 2**20:,.2f} MiB"


def data(card: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a run and what the check found in them.

    Args:
        card: The run card.

    Returns:
        `splits`, `sources`, `checked`, `plot`, `groups`, `notes`, and how many of these aren't shown.
    """
    known, check = card.get("data") or {}, card.get("check")
    splits = known.get("splits") or {}
    groups = (check or {}).get("groups") or []
    notes = card.get("notes") or []
    return {
        "splits": [
            (
                name,
                f"{one['rows']:,}",
                f"{one['tokens']:,}",
                f"{one['supervised_tokens']:,}",
                percent(one["supervised_tokens"] / one["tokens"]) if one["tokens"] else "",
                f"{one['longest_row_tokens']:,}",
            )
            for name, one in splits.items()
        ],
        "sources": [_source(one) for one in (known.get("sources") or [])[:_GROUPS_LISTED]],
        "sources_left_out": max(0, len(known.get("sources") or []) - _GROUPS_LISTED),
        "checked": check,
        "account": [
            (
                one["split"],
                *(f"{one[key]:,}" for key in ("read", "kept", "changed", "dropped")),
                _reasons(one["reasons"]),
            )
            for one in (check or {}).get("accounts") or []
        ],
        "plot": _account_plot((check or {}).get("accounts") or []),
        "groups": [{**one, "first": one["first"][:_FINDINGS_SHOWN]} for one in groups[:_GROUPS_LISTED]],
        "groups_left_out": max(0, len(groups) - _GROUPS_LISTED),
        "notes": notes[:_NOTES_LISTED],
        "notes_left_out": max(0, len(notes) - _NOTES_LISTED),
    }


def _source(one: Mapping[str, Any]) -> Row:
    said = "; ".join(f"{key} {_text(value)}" for key, value in one.items() if key != "source")
    return (str(one.get("source", "")), said)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in sorted(reasons.items()))


def _account_plot(accounts: list[Mapping[str, Any]]) -> Any:
    keys = ("kept", "changed", "dropped")
    bars = [Bar(one["split"], [one[key] for key in keys], f"{one['read']:,}") for one in accounts if one["read"]]
    return bar_plot(bars, keys, colours=(1, 3, 2), x_title="rows") if bars else None


def config(card: Mapping[str, Any]) -> dict[str, Any]:
    """The settings: first those that differ from the shipped ones, then all.

    Args:
        card: The run card; `changed` holds the default of each key that differs.

    Returns:
        `changed` (key, value, default), or None where the card doesn't say; `all` (key, value); how many
        of both aren't shown.
    """
    values = dict(_flat(card.get("config") or {}))
    changed = card.get("changed")
    rows = None
    if changed is not None:
        rows = [(key, _text(values.get(key, "left out")), _text(default)) for key, default in changed.items()]
    listed = [(key, _text(value)) for key, value in values.items()]
    return {
        "changed": rows[:_KEYS_LISTED] if rows is not None else None,
        "changed_left_out": max(0, len(rows or ()) - _KEYS_LISTED),
        "all": listed[:_KEYS_LISTED],
        "left_out": max(0, len(listed) - _KEYS_LISTED),
    }


def reproduction(card: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """What must be the same for the same result: seed, hashes, device, versions; and where things lie.

    Args:
        card: The run card.

    Returns:
        Tables as (title, rows).
    """
    model, known, wandb = (card.get(key) or {} for key in ("model", "data", "wandb"))
    facts = {
        "seed": (card.get("config") or {}).get("seed"),
        "data (SHA-256 of all token ids and masks)": known.get("sha256"),
        "base (fingerprint of its weights)": model.get("base_fingerprint"),
        "device": card.get("device"),
        "begun": card.get("started"),
        "last written": card.get("written"),
        "started, times": card.get("attempt"),
        "trained": _trained(model),
    }
    files = {**(card.get("files") or {}), "W&B": wandb.get("url") or wandb.get("folder")}
    tables = {"This run": facts, "Versions": card.get("versions") or {}, "Files": files}
    return [
        (title, [(name, _text(value)) for name, value in rows.items() if value is not None])
        for title, rows in tables.items()
    ]


def _trained(model: Mapping[str, Any]) -> str | None:
    trained, total = model.get("trainable_parameters"), model.get("parameters")
    return f"{trained:,} of {total:,} parameters ({percent(trained / total)})" if trained and total else None


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _text(value: Any) -> str:
    """A value as YAML would have it; a list or an object not longer than a few lines."""
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, default=str)
    more = len(text) - _VALUE_CHARACTERS
    return text if more <= 0 else f"{text[:_VALUE_CHARACTERS]}… ({more:,} more characters)"
