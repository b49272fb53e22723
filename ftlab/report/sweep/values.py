"""What a run measured, and under which circumstances, out of its card. In: a card. Out: plain values by short names."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ftlab import metric

_METRICS = {
    "loss": metric.TEST_LOSS,
    "base_loss": metric.TEST_LOSS_BASE,
    "val_loss": "val_loss",
    "format_rate": metric.TEST_JSON_RATE,
    "base_format_rate": metric.TEST_JSON_RATE_BASE,
    "general_loss": metric.GENERAL_LOSS,
    "base_general_loss": metric.GENERAL_LOSS_BASE,
    "general_rate": metric.GENERAL_PROBE_RATE,
    "base_general_rate": metric.GENERAL_PROBE_RATE_BASE,
}
"""`val_loss` is the lowest held-out loss during training, on validation rows; others are of its end, on test rows."""


def values_of(card: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a run measured.

    Args:
        card: A run's card.

    Returns:
        By name: those of `_METRICS`, `forgetting` (loss on general texts after less before, in nats),
        `trainable_parameters`, `peak_bytes`, `tokens_per_s`, `wall_s` (from the start to the last writing of the card)
        and `learning_rate`. What wasn't measured is left out.
    """
    metrics, measured = card.get("metrics") or {}, card.get("measured") or {}
    found = {name: metrics.get(key) for name, key in _METRICS.items()}
    if found["general_loss"] is not None and found["base_general_loss"] is not None:
        found["forgetting"] = found["general_loss"] - found["base_general_loss"]
    found["trainable_parameters"] = (card.get("model") or {}).get("trainable_parameters")
    found |= {key: measured.get(key) for key in ("peak_bytes", "tokens_per_s")}
    found["learning_rate"] = ((card.get("config") or {}).get("optimizer") or {}).get("lr")
    begun, ended = (_seconds(card.get(key)) for key in ("started", "written"))
    found["wall_s"] = ended - begun if begun is not None and ended is not None else None
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def facts_of(card: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the circumstances of a run: where they differ, its numbers can't simply be held against another's.

    Args:
        card: A run's card.

    Returns:
        By name: `model` (base and fingerprint of its weights), `data` (hash of the encoded rows), `train` and `test`
        (rows and tokens of the split), `steps`, `batch_rows`, `device`, `evaluation` (its settings as JSON),
        `versions` (of packages that can change a result), `attempt`, `started_s` and `ended_s` (seconds since 1970),
        and `command` (what was typed, as words).
    """
    data, model, config = (card.get(key) or {} for key in ("data", "model", "config"))
    splits = data.get("splits") or {}
    versions = card.get("versions") or {}
    return {
        "model": " ".join(str(model.get(key)) for key in ("base", "weights", "base_fingerprint")),
        "data": data.get("sha256"),
        "train": _split(splits.get("train")),
        "test": _split(splits.get("test")),
        "steps": card.get("total_steps"),
        "batch_rows": (config.get("training") or {}).get("batch_rows"),
        "device": card.get("device"),
        "evaluation": json.dumps(config.get("evaluation"), sort_keys=True),
        "versions": ", ".join(f"{name} {versions[name]}" for name in sorted(versions)),
        "attempt": card.get("attempt"),
        "started_s": _seconds(card.get("started")),
        "ended_s": _seconds(card.get("written")),
        "command": card.get("command") or [],
    }


def _split(found: Mapping[str, Any] | None) -> str | None:
    return f"{found.get('rows', 0):,} rows of {found.get('tokens', 0):,} tokens" if found else None


def _seconds(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (TypeError, ValueError):
        return None
