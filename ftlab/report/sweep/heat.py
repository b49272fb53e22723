"""Held-out loss by two keys that were swept, as tables whose cells are the stronger coloured the less the loss is.

In: a comparison. Out: plain values for the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import isfinite

from ftlab.report.sweep.cell import shown_interval, shown_value
from ftlab.report.sweep.comparison import Comparison, Measured

MAPS_MOST = 8
_STRONGEST = 45
"""Per cent of the colour in the strongest cell: text on it must stay legible."""

_Cells = Mapping[tuple[tuple[str, str], ...], Measured | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a map.

    Attributes:
        text: The loss, or what became of it.
        interval: Over seeds.
        strength: Per cent of the colour.
    """

    text: str
    interval: str
    strength: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Loss by two keys, where all others are the same.

    Attributes:
        where: The values of the others; empty where there are none.
        down: The key whose values make lines.
        across: The key whose values make columns.
        columns: Its values.
        lines: The values of `down`, each with its cells.
    """

    where: str
    down: str
    across: str
    columns: list[str]
    lines: list[tuple[str, list[Cell]]]


def heat_maps(comparison: Comparison) -> tuple[list[HeatMap], int]:
    """Arranges held-out loss by two keys.

    Args:
        comparison: What was found.

    Returns:
        The maps, one for each combination of the other keys, and how many more there would be; none where fewer than
        two keys besides the seed were swept. Two keys of rows come before one that is chosen within rows, whose loss
        is that of the validation rows.
    """
    cells = _cells(comparison)
    values: dict[str, dict[str, None]] = {}
    for settings in cells:
        for key, value in settings:
            values.setdefault(key, {}).setdefault(value)
    keys = sorted((key for key in values if len(values[key]) > 1), key=lambda key: -len(values[key]))[:2]
    if len(keys) < 2:
        return [], 0
    down, across = keys
    losses = [one.mean for one in cells.values() if one is not None and isfinite(one.mean)]
    others = [key for key in values if key not in keys]
    found = []
    for chosen in product(*(values[key] for key in others)):
        fixed = dict(zip(others, chosen, strict=True))
        lines = []
        for low in values[down]:
            wanted = [{**fixed, down: low, across: high} for high in values[across]]
            lines.append((low, [_cell(cells, {key: one[key] for key in values}, losses) for one in wanted]))
        if any(cell.text not in ("–", "not done") for _, line in lines for cell in line):
            where = ", ".join(f"{key}={value}" for key, value in fixed.items() if len(values[key]) > 1)
            found.append(HeatMap(where, down, across, list(values[across]), lines))
    return found[:MAPS_MOST], max(0, len(found) - MAPS_MOST)


def _cells(comparison: Comparison) -> _Cells:
    """Loss by settings: of rows, or where those differ in one key only, of what was chosen within them."""
    if len(comparison.by) >= 2 or not comparison.chosen_by:
        return {tuple(row.settings.items()): row.values.get("loss") for row in comparison.rows}
    return {
        (*row.settings.items(), *choice.settings.items()): choice.loss
        for row in comparison.rows
        for choice in row.choices
    }


def _cell(cells: _Cells, settings: Mapping[str, str], losses: list[float]) -> Cell:
    key = tuple(settings.items())
    measured = cells.get(key)
    if key not in cells:
        return Cell("–", "", 0)
    if measured is None:
        return Cell("not done", "", 0)
    if not isfinite(measured.mean):
        return Cell(shown_value("loss", measured.mean), "", 0)
    spread = max(losses) - min(losses)
    share = (max(losses) - measured.mean) / spread if spread else 0
    return Cell(shown_value("loss", measured.mean), shown_interval("loss", measured), round(_STRONGEST * share))
