"""How numbers are written for people: the same on pages, in the terminal's summary and in the verdict."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

NOT_MEASURED = "not measured"


def number(value: float | None) -> str:
    """Returns a number for a sentence: `134.7`, `1.300`, `0.27`, `12,345`; `not measured` for None."""
    if value is None:
        return NOT_MEASURED
    if not isfinite(value):
        return "infinite" if value > 0 else "not a number"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:#.4g}".rstrip(".")


def surprise(measured: Mapping[str, Any] | None) -> str:
    """Returns the perplexity of a figure of the card, which holds null where it isn't finite."""
    if not measured or measured.get("perplexity") is not None or not measured.get("tokens"):
        return number((measured or {}).get("perplexity"))
    return "not a number" if measured.get("loss") is None else "infinite"


def percent(value: float | None) -> str:
    """Returns a share as per cent; one decimal where it isn't whole. What is near none or all is not said to be it."""
    if value is None:
        return NOT_MEASURED
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 < value < 1:
        return "> 99.9 %"
    return f"{100 * value:.0f} %" if abs(100 * value - round(100 * value)) < 0.05 else f"{100 * value:.1f} %"


def interval(measured: Mapping[str, Any] | None) -> str:
    """Returns the interval of a measurement, `14.10 to 16.50`; nothing where there is none."""
    low, high = ((measured or {}).get(end) for end in ("low", "high"))
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def between(measured: Mapping[str, Any]) -> str:
    """Returns the interval of a measurement in brackets, ` (14.10 to 16.50)`; nothing where there is none."""
    ends = interval(measured)
    return f" ({ends})" if ends else ""


def times(base: Mapping[str, Any] | None, tuned: Mapping[str, Any] | None) -> str:
    """Returns how perplexity moved, `16.4 times lower`; nothing where one of both is missing or not finite."""
    before, after = ((measured or {}).get("perplexity") for measured in (base, tuned))
    if not before or not after or not isfinite(before) or not isfinite(after):
        return ""
    return f"{before / after:.3g} times lower" if before >= after else f"{after / before:.3g} times higher"


def counted(part: int, whole: int | None, name: str) -> str:
    """Returns how many there are, and of how many they were drawn where there are more.

    >>> counted(20, 62, "answers"), counted(20, 20, "answers")
    ('20 of 62 answers', '20 answers')

    Args:
        part: How many.
        whole: Of how many; None where that isn't known.
        name: What they are.
    """
    return f"{part:,}{f' of {whole:,}' if whole and whole > part else ''} {name}"
