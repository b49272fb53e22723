"""A plane of points: every point at its place, groups told apart by colour and by shape, one name a colour."""

from xml.etree import ElementTree

import pytest

from ftlab.report.scatter import SHAPES, Group, Point, scatter_plot


def _plot(*groups: Group, colours: tuple[int, ...]) -> str:
    return scatter_plot(groups, colours=colours, x_title="forgotten, nats", y_title="loss, nats")


def test_points_stand_where_their_numbers_are_and_groups_differ_in_shape() -> None:
    one, other = Group("one", [Point(0, 1), Point(1, 2), Point(2, 3)]), Group("other", [Point(1, 3)])
    plot = _plot(one, other, colours=(1, 2))
    marks = [part.attrib for part in ElementTree.fromstring(plot).iter("path")]
    by_colour = {colour: [mark for mark in marks if mark["class"] == f"fill-{colour}"] for colour in (1, 2)}
    places = [tuple(map(float, mark["transform"][10:].partition(")")[0].split())) for mark in by_colour[1][1:]]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x0 < x1 < x2
    assert y0 > y1 > y2
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert {mark["d"] for mark in by_colour[1]} == {SHAPES[0]}
    assert {mark["d"] for mark in by_colour[2]} == {SHAPES[1]}


def test_a_colour_is_named_once_and_text_stays_text() -> None:
    runs, means = Group("<b>LoRA", [Point(0, 1)], faint=True), Group("<b>LoRA", [Point(0, 1, "20 %")], joined=True)
    plot = _plot(runs, means, colours=(1, 1))
    texts = [part.text for part in ElementTree.fromstring(plot).iter("text")]
    assert texts.count("<b>LoRA") == 1
    assert "20 %" in texts
    assert "forgotten, nats" in texts


def test_labels_of_points_that_meet_do_not_cover_each_other() -> None:
    near = [Point(0, 0), Point(1, 1), *(Point(0.5 + 0.01 * n, 0.5, f"{n}0 %") for n in range(3))]
    parts = ElementTree.fromstring(_plot(Group("one", near), colours=(1,))).iter("text")
    places = [(float(part.attrib["x"]), float(part.attrib["y"])) for part in parts if (part.text or "").endswith("0 %")]
    assert len(places) == 3
    for number, (x, y) in enumerate(places):
        for other_x, other_y in places[:number]:
            assert abs(x - other_x) > 25 or abs(y - other_y) >= 13


@pytest.mark.parametrize("points", [[], [Point(0, float("nan"))], [Point(float("inf"), 0)]])
def test_what_can_not_be_placed_is_refused(points: list[Point]) -> None:
    with pytest.raises(ValueError, match="at least one point, all finite"):
        _plot(Group("one", points), colours=(1,))


def test_bars_reach_as_far_as_their_intervals_along_both_axes() -> None:
    plot = _plot(Group("one", [Point(1, 10, low=0.5, high=2, bottom=8, top=12), Point(2, 12)]), colours=(1,))
    lines = [
        part.attrib for part in ElementTree.fromstring(plot).iter("line") if part.attrib["class"] == "line-1 faint"
    ]
    across, upwards = (tuple(float(one[key]) for key in ("x1", "y1", "x2", "y2")) for one in lines)
    assert across[1] == across[3]
    assert upwards[0] == upwards[2]
    middle = (upwards[1] + upwards[3]) / 2
    assert across[1] == pytest.approx(middle, abs=0.2)
    assert (upwards[0] - across[0]) * 2 == pytest.approx(across[2] - upwards[0], abs=0.3)


def test_a_hint_names_a_point_of_the_neutral_group_and_its_description_is_short() -> None:
    plot = _plot(Group("others", [Point(0, 1, hint="rank 7")]), Group("best", [Point(1, 2)]), colours=(0, 1))
    titles = [part.text for part in ElementTree.fromstring(plot).iter("title")]
    assert "rank 7: 0, 1" in titles
    assert ElementTree.fromstring(plot).findtext("desc") == "best: 1, 2"
