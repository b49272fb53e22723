"""A few of many rows are drawn by chance, each source by its share, and always the same ones."""

from collections import Counter

import pytest

from ftlab.evaluation.draw import draw

SOURCES = [0] * 90 + [1] * 60 + [2] * 9


@pytest.mark.parametrize("seed", range(20))
def test_each_source_gives_its_share_up_or_down_to_a_whole_row(seed: int) -> None:
    places = draw(SOURCES, 20, seed)
    counts = Counter(SOURCES[place] for place in places)
    assert len(places) == len(set(places)) == 20
    for source, rows in Counter(SOURCES).items():
        assert abs(counts[source] - rows * 20 / len(SOURCES)) < 1


def test_rows_are_drawn_by_chance_each_as_often_as_any_other() -> None:
    times = Counter(place for seed in range(500) for place in draw([0] * 10, 3, seed))
    assert set(times) == set(range(10))
    assert all(110 < count < 190 for count in times.values()), times  # 150 on average, standard deviation 10


def test_the_same_seed_draws_the_same_and_another_seed_others() -> None:
    assert draw(SOURCES, 20, 1) == draw(SOURCES, 20, 1) != draw(SOURCES, 20, 2)


def test_all_are_taken_where_there_are_no_more() -> None:
    assert draw([1, 0, 1], 3, 1) == draw([1, 0, 1], 9, 1) == [0, 1, 2]
    assert draw([], 9, 1) == draw([0], 0, 1) == []
