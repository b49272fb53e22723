"""Plots show the numbers they are given, at their places, and text as text."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from ftlab.report.axis import Scale, shown, ticks
from ftlab.report.plot import Bar, Event, Series, bar_plot, histogram, line_plot


def _parsed(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)


def _of(plot: str, tag: str, kind: str) -> list[dict[str, str]]:
    return [part.attrib for part in _parsed(plot).iter(tag) if part.attrib.get("class") == kind]


def _texts(plot: str) -> list[str]:
    return [part.text or "" for part in _parsed(plot).iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 730, [0, 200, 400, 600]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3, 3.4, [3, 3.1, 3.2, 3.3, 3.4]),
        (-5, 5, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_numbers_are_shown_with_the_digits_they_need() -> None:
    assert [shown(value) for value in (0, 0.25, 3, 1234.5, 0.0012)] == ["0", "0.25", "3", "1,234", "0.0012"]


def test_a_scale_places_its_ends() -> None:
    scale = Scale(10, 20, 100, 0)
    assert (scale(10), scale(15), scale(20)) == (100, 50, 0)


def test_histogram_bars_are_as_high_as_their_counts() -> None:
    plot = histogram([(1, 10, 4), (11, 20, 8), (21, 30, 0)], x_title="tokens", y_title="rows", names=("rows", "over"))
    heights = [float(bar["height"]) for bar in _of(plot, "rect", "fill-1")][:2]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert not _of(plot, "line", "limit")
    assert "over" not in _texts(plot)


def test_histogram_marks_the_limit_and_what_lies_above_it() -> None:
    plot = histogram(
        [(1, 10, 4), (11, 20, 1000), (21, 30, 1)], x_title="tokens", y_title="rows", names=("within", "over"), limit=20
    )
    (limit,) = _of(plot, "line", "limit")
    over = _of(plot, "rect", "fill-2")
    assert float(over[0]["x"]) == pytest.approx(float(limit["x1"]), abs=0.1)
    assert float(over[0]["height"]) >= 1.5  # one row among a thousand is seen
    assert {"within", "over", "limit 20"} <= set(_texts(plot))


def test_a_limit_far_out_is_named_at_the_edge() -> None:
    plot = histogram([(1, 10, 4)], x_title="tokens", y_title="rows", names=("within", "over"), limit=4096)
    assert "limit 4,096 →" in _texts(plot)
    assert not _of(plot, "line", "limit")


def test_bars_are_as_long_as_their_parts() -> None:
    plot = bar_plot([Bar("a", (30, 10), "40"), Bar("b", (20, 0), "20")], ("x", "y"), colours=(1, 2), x_title="rows")
    first, second = _of(plot, "rect", "fill-1")[1:], _of(plot, "rect", "fill-2")[1:]
    assert float(first[0]["width"]) == pytest.approx(3 * float(second[0]["width"]), abs=0.2)
    assert float(first[1]["width"]) == pytest.approx(2 * float(second[0]["width"]), abs=0.2)
    assert float(second[0]["x"]) == pytest.approx(float(first[0]["x"]) + float(first[0]["width"]), abs=0.2)


def test_lines_break_where_a_value_is_missing() -> None:
    plot = line_plot(
        [Series("loss", [(0, 3.0), (1, 2.0), (2, None), (3, 1.0), (4, float("nan"))])], x_title="step", y_title="loss"
    )
    (path,) = _of(plot, "path", "line-1")
    assert re.findall("[ML]", path["d"]) == ["M", "L", "M"]


def test_a_flat_line_of_one_point_is_drawn() -> None:
    (path,) = _of(line_plot([Series("loss", [(5, 2.0)])], x_title="step", y_title="loss"), "path", "line-1")
    assert path["d"].startswith("M")


@pytest.mark.parametrize(
    "series", [[], [Series("a", [])], [Series("a", [(0, None)])], [Series(str(n), [(0, 1)]) for n in range(9)]]
)
def test_lines_that_cannot_be_drawn_are_refused(series: list[Series]) -> None:
    with pytest.raises(ValueError, match="lines of 1 to 8 colours with at least one point"):
        line_plot(series, x_title="step", y_title="loss")


def test_a_logarithmic_axis_places_ratios_and_leaves_out_what_it_cannot_show() -> None:
    series = [Series("loss", [(0, 1.0), (1, 10.0), (2, 100.0), (3, 0.0), (4, 100.0)])]
    (path,) = _of(line_plot(series, x_title="step", y_title="loss", log=True), "path", "line-1")
    heights = [float(pair.split()[1]) for pair in re.split("[ML]", path["d"])[1:]]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert re.findall("[ML]", path["d"]) == ["M", "L", "L", "M"]


def test_events_and_the_band_stand_at_their_places() -> None:
    plot = line_plot(
        [Series("loss", [(0, 1.0), (10, 2.0)], dots=True)],
        x_title="step",
        y_title="loss",
        events=[Event("skipped", [5]), Event("resumed", [10])],
        band=(5, 10),
    )
    signs = [float(re.findall(r"[\d.]+", sign["transform"])[0]) for sign in _of(plot, "path", "sign")]
    first, last = (float(dot["cx"]) for dot in _of(plot, "circle", "fill-1"))
    assert signs[0] == pytest.approx((first + last) / 2)
    assert signs[1] == pytest.approx(last)
    (band,) = _of(plot, "rect", "band")
    assert float(band["x"]) == pytest.approx(signs[0])
    assert float(band["x"]) + float(band["width"]) == pytest.approx(last)
    assert {"skipped", "resumed"} <= set(_texts(plot))


def test_the_ground_lies_below_the_other_lines() -> None:
    lines = [Series("mean", [(0, 1), (1, 2)]), Series("each step", [(0, 1), (1, 2)], faint=True)]
    plot = line_plot(lines, x_title="step", y_title="loss")
    kinds = [path.attrib["class"] for path in _parsed(plot).iter("path")]
    assert kinds == ["line-2 faint", "line-1"]


def test_names_are_shown_as_text() -> None:
    name = '"><script>alert(1)</script>'
    plots = (
        bar_plot([Bar(name, (1,), name)], (name,), colours=(1,), x_title=name),
        line_plot([Series(name, [(0, 1), (1, 2)])], x_title=name, y_title=name),
        histogram([(1, 2, 3)], x_title=name, y_title=name, names=(name, name)),
    )
    for plot in plots:
        assert not list(_parsed(plot).iter("script"))
        assert name in _texts(plot)


def test_names_that_need_more_than_a_line_stand_below_the_plot_and_cover_nothing() -> None:
    names = [f"method {number} with a long name" for number in range(1, 9)]
    plot = line_plot([Series(name, [(0, 1), (1, 2)]) for name in names], x_title="step", y_title="loss")
    placed = [part.attrib for part in _parsed(plot).iter("text") if part.text in names]
    places = [(float(one["x"]), float(one["y"])) for one in placed]
    assert len(places) == 8
    assert all(y > 260 and x + 7 * len(names[0]) <= 560 for x, y in places)
    lines: dict[float, list[float]] = {}
    for x, y in places:
        lines.setdefault(y, []).append(x)
    assert all(right - left > 7 * len(names[0]) for xs in lines.values() for left, right in pairwise(xs))
    assert float(_parsed(plot).attrib["viewBox"].split()[3]) + 18 > max(lines)


def test_lines_of_one_colour_are_named_once() -> None:
    runs = [Series("", [(0, 1), (1, n)], faint=True, colour=2) for n in range(1, 4)]
    plot = line_plot([*runs, Series("mean", [(0, 1), (1, 2)], colour=2)], x_title="step", y_title="loss")
    kinds = [path.attrib["class"] for path in _parsed(plot).iter("path")]
    assert kinds == ["line-2 faint"] * 3 + ["line-2"]
    assert _texts(plot).count("mean") == 1
    assert len(_of(plot, "line", "line-2")) == 1


@pytest.mark.parametrize("values", [(3500.0, 3500.0), (3499.9, 3500.2), (0.25, 0.25)])
def test_no_two_marks_of_an_axis_read_alike(values: tuple[float, float]) -> None:
    plot = line_plot([Series("pace", [*enumerate(values)])], x_title="step", y_title="tokens/s")
    labels = [part.text for part in _parsed(plot).iter("text") if part.attrib["text-anchor"] == "end"]
    assert labels
    assert len(set(labels)) == len(labels)
