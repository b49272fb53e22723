"""The colours of the plots can be told apart, and from their ground, by readers who see colours differently."""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

Colour = NDArray[np.float64]

VISIONS = {
    "typical": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""What each makes of linear sRGB (Machado, Oliveira and Fernandes 2009, severity 1)."""


def _schemes() -> list[dict[str, str]]:
    """The colours of the light and of the dark scheme, by name."""
    page = files("ftlab.report").joinpath("template", "base.html").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", page, re.S)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


def _linear(colour: str) -> Colour:
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear: Colour) -> Colour:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(linear, 0, 1) / np.array([0.9505, 1, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(one: str, other: str) -> float:
    low, high = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ _linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", _schemes(), ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_series_look_alike(scheme: dict[str, str], vision: str) -> None:
    seen = {name: _lab(VISIONS[vision] @ _linear(scheme[name])) for name in (f"series-{n}" for n in range(1, 9))}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, f"{one} and {other}"


@pytest.mark.parametrize("scheme", _schemes(), ids=["light", "dark"])
def test_series_stand_out_from_the_panel(scheme: dict[str, str]) -> None:
    for number in range(1, 9):
        assert _contrast(scheme[f"series-{number}"], scheme["panel"]) > 3
