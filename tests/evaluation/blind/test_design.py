"""Pairs and sides: balanced whatever the secret, the same for the same secret, different between raters."""

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.design import order_for, pair_up, sides_for

secrets = st.binary(min_size=32, max_size=32)
arms = st.integers(2, 5).map(lambda count: [f"arm {number}" for number in range(count)])


@given(secret=secrets, arms=arms, questions=st.integers(1, 40), every_pair=st.booleans(), rater=st.text(max_size=5))
def test_pairs_and_sides_are_balanced(
    secret: bytes, arms: list[str], questions: int, every_pair: bool, rater: str
) -> None:
    pairings = pair_up(questions, arms, secret, every_pair=every_pair)
    sides = sides_for(rater, pairings, secret)
    pairs = Counter(frozenset((one.first, one.second)) for one in pairings)
    expected = [pairs[frozenset(pair)] for pair in combinations(arms, 2)]
    assert max(expected) - min(expected) <= (0 if every_pair else 1)
    assert set(sides) == {one.item for one in pairings}
    assert all({one.first, one.second} == set(sides[one.item]) for one in pairings)
    lean: Counter[str] = Counter()
    turned: Counter[tuple[str, str]] = Counter(sides.values())
    for left, right in sides.values():
        lean[left] += 1
        lean[right] -= 1
    assert all(abs(lean[arm]) <= 1 for arm in arms)
    assert all(abs(turned[one, other] - turned[other, one]) <= 1 for one, other in combinations(arms, 2))


@given(secret=secrets)
def test_each_question_meets_each_pair_once(secret: bytes) -> None:
    pairings = pair_up(7, ["a", "b", "c"], secret, every_pair=True)
    met = Counter((one.question, frozenset((one.first, one.second))) for one in pairings)
    assert len(met) == 7 * 3
    assert set(met.values()) == {1}


@given(secret=secrets)
def test_sides_and_order_are_the_same_again_and_others_for_others(secret: bytes) -> None:
    pairings = pair_up(50, ["base", "tuned"], secret, every_pair=False)
    assert sides_for("anna", pairings, secret) == sides_for("anna", list(reversed(pairings)), secret)
    assert order_for("anna", pairings, secret) == order_for("anna", list(reversed(pairings)), secret)
    assert sides_for("anna", pairings, secret) != sides_for("ben", pairings, secret)
    assert order_for("anna", pairings, secret) != order_for("ben", pairings, secret)
    assert sides_for("anna", pairings, secret) != sides_for("anna", pairings, secret[::-1] + b"x")


def test_items_have_ids_of_their_own_that_do_not_follow_the_questions() -> None:
    pairings = pair_up(200, ["base", "tuned"], bytes(32), every_pair=False)
    ids = [one.item for one in pairings]
    assert len(set(ids)) == 200
    assert ids != sorted(ids)


def test_an_item_stands_left_about_as_often_for_many_raters() -> None:
    secret = bytes(32)
    pairings = pair_up(10, ["base", "tuned"], secret, every_pair=False)
    left = Counter(
        item
        for number in range(400)
        for item, sides in sides_for(f"r{number}", pairings, secret).items()
        if sides[0] == "base"
    )
    assert all(150 <= left[one.item] <= 250 for one in pairings)  # 5 standard deviations
