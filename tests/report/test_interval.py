"""Intervals are drawn from low to high around their value, on an axis that has room for all."""

from xml.etree import ElementTree

import pytest

from ftlab.report.interval import Estimate, Value, interval_plot


def _plot(*estimates: Estimate, **options: object) -> ElementTree.Element:
    drawn = interval_plot(estimates, ("base", "tuned"), colours=(2, 1), x_title="perplexity", **options)  # type: ignore[arg-type]
    return ElementTree.fromstring(drawn)


def _dots(plot: ElementTree.Element, kind: str) -> list[float]:
    return [float(dot.attrib["cx"]) for dot in plot.iter("circle") if dot.attrib["class"] == kind]


def test_bars_reach_from_low_to_high() -> None:
    plot = _plot(Estimate("answers", (Value(20, 15, 25), Value(18, 17, 19))))
    bars = [bar for bar in plot.iter("rect") if bar.attrib["height"] == "4"]
    (base,), (tuned,) = ([bar for bar in bars if bar.attrib["class"] == kind] for kind in ("fill-2", "fill-1"))
    assert float(base.attrib["width"]) == pytest.approx(5 * float(tuned.attrib["width"]), abs=0.5)
    middle = float(base.attrib["x"]) + float(base.attrib["width"]) / 2
    assert _dots(plot, "fill-2") == [pytest.approx(middle, abs=0.2)]
    assert _dots(plot, "fill-1") < _dots(plot, "fill-2")
    assert "perplexity" in [text.text for text in plot.iter("text")]


def test_values_far_apart_get_a_logarithmic_axis() -> None:
    plot = _plot(*(Estimate(name, (Value(at), None)) for name, at in (("a", 1), ("b", 10), ("c", 100))))
    first, second, third = _dots(plot, "fill-2")
    assert second - first == pytest.approx(third - second, abs=0.2)
    assert "perplexity, logarithmic" in [text.text for text in plot.iter("text")]


def test_a_given_axis_is_kept() -> None:
    plot = _plot(Estimate("rate", (Value(0), Value(100))), whole=(0, 200))
    (left,), (middle,) = _dots(plot, "fill-2"), _dots(plot, "fill-1")
    (end,) = _dots(_plot(Estimate("rate", (None, Value(200))), whole=(0, 200)), "fill-1")
    assert middle - left == pytest.approx(end - middle, abs=0.2)


def test_what_is_not_finite_is_left_out_and_nothing_is_refused() -> None:
    plot = _plot(Estimate("a", (Value(float("inf")), Value(2, 1, float("inf")))))
    assert (len(_dots(plot, "fill-2")), len(_dots(plot, "fill-1"))) == (0, 1)
    with pytest.raises(ValueError, match="must hold a finite value"):
        _plot(Estimate("a", (None, Value(float("nan")))))


def test_names_are_text_and_long_ones_lose_their_middle() -> None:
    plot = _plot(Estimate("<b>" + "x" * 500, (Value(1), Value(2))))
    assert any((text.text or "").startswith("<b>x") and "…" in (text.text or "") for text in plot.iter("text"))
    assert not list(plot.iter("b"))
