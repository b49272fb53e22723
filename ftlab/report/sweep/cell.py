"""The numbers of a comparison as people read them: one column, one way. In: numbers. Out: text."""

from math import isfinite

from ftlab.report.number import number, percent
from ftlab.report.sweep.comparison import Measured

_RATES = ("format_rate", "general_rate", "base_format_rate", "base_general_rate", "kept")
_MINUS = str.maketrans("-", "−")


def shown_value(key: str, value: float | None) -> str:
    """Returns a value of a column, with its unit where the number needs one.

    >>> shown_value("loss", 0.27), shown_value("forgetting", -0.0104), shown_value("format_rate", 0.985)
    ('0.270', '−0.010', '98.5 %')
    >>> shown_value("peak_bytes", 1.4e9), shown_value("wall_s", 4000), shown_value("trainable_parameters", 20480)
    ('1.30 GiB', '1.1 h', '20.5 k')

    Args:
        key: Of the column.
        value: In the column's own unit; None = not measured.
    """
    if value is None:
        return "–"
    if not isfinite(value):
        return number(value)
    if key in _RATES:
        said = percent(value)
    elif key in ("loss", "val_loss", "base_loss"):
        said = f"{value:.3f}"
    elif key in ("forgetting", "difference"):
        said = f"{value:+.3f}"
    elif key == "trainable_parameters":
        said = _short(value)
    elif key == "peak_bytes":
        said = f"{value / 2**30:,.2f} GiB" if value >= 2**30 / 10 else f"{value / 2**20:,.1f} MiB"
    elif key == "tokens_per_s":
        said = f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    elif key == "wall_s":
        said = _time(value)
    elif key == "cost":
        said = f"{value:,.2f}" if value >= 1 else f"{value:.2g}"
    else:
        said = number(value)
    return said.translate(_MINUS)


def shown_interval(key: str, measured: Measured) -> str:
    """Returns the interval of a value, `0.262 to 0.279`; nothing where there is none, or where all seeds agree.

    Args:
        key: Of the column.
        measured: The value.
    """
    if measured.low is None or measured.high is None:
        return ""
    low, high = shown_value(key, measured.low), shown_value(key, measured.high)
    if low == high:
        return ""
    unit = low.rpartition(" ")[2]
    shared = unit and high.endswith(f" {unit}") and not unit[-1].isdigit()
    return f"{low.removesuffix(f' {unit}')} to {high}" if shared else f"{low} to {high}"


def shown_p(p: float | None) -> str:
    """Returns a p value, never as 0."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _short(count: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
