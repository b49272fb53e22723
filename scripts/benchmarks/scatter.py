"""Draws planned against measured values as SVG, on logarithmic axes, with the line on which both agree."""

import math
from collections.abc import Sequence

_SIZE, _EDGE = 520, 56
_COLOURS = {"fitted": "#d97706", "held out": "#2563eb"}


def scatter_svg(points: Sequence[tuple[float, float, str]], *, x: str, y: str) -> str:
    """Draws points.

    Args:
        points: x, y and group of each; all numbers positive.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.

    Returns:
        The picture.
    """
    numbers = [value for point in points for value in point[:2]]
    low, high = min(numbers) / 1.15, max(numbers) * 1.15

    def place(value: float) -> float:
        return _EDGE + (_SIZE - 1.5 * _EDGE) * math.log(value / low) / math.log(high / low)

    def down(value: float) -> float:
        return _SIZE - place(value)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_SIZE}" height="{_SIZE}" fill="white"/>',
        _line(place(low), down(low), place(high), down(high), "#9ca3af"),
    ]
    for tick in (tick for tick in (1, 2, 5, 10, 20, 50, 100) if low < tick < high):
        parts += [
            _line(place(tick), down(low), place(tick), down(high), "#e5e7eb"),
            _line(place(low), down(tick), place(high), down(tick), "#e5e7eb"),
            f'<text x="{place(tick):.1f}" y="{down(low) + 16:.1f}" text-anchor="middle">{tick}</text>',
            f'<text x="{place(low) - 6:.1f}" y="{down(tick) + 4:.1f}" text-anchor="end">{tick}</text>',
        ]
    parts += [
        f'<circle cx="{place(a):.1f}" cy="{down(b):.1f}" r="4" fill="{_COLOURS[group]}" fill-opacity="0.75"/>'
        for a, b, group in points
    ]
    for number, (group, colour) in enumerate(_COLOURS.items()):
        top = _EDGE / 2 + 18 * number
        parts.append(f'<circle cx="{_EDGE + 14}" cy="{top}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{_EDGE + 24}" y="{top + 4}">{group}</text>')
    middle = _SIZE / 2
    parts += [
        f'<text x="{middle}" y="{_SIZE - 8}" text-anchor="middle">{x}</text>',
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{y}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
