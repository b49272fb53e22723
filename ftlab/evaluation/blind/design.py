"""Who is compared with whom on which question, and on which side each answer stands: balanced, secret, reproducible.

In: the number of questions, the arms, a secret. Out: `Pairing`s, and for each rater their order and sides. All choices
come from HMAC-SHA256 (RFC 2104) of the secret with what is chosen for: without it they can't be told, with it they can
be repeated.
"""

import hmac
import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

Thing = TypeVar("Thing")

Sides = tuple[str, str]
"""The arms on the left and on the right."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two arms that are compared on one question.

    Attributes:
        item: Its id, which says nothing of question or arms.
        question: The question's place, from 0.
        first: One arm.
        second: The other; the order of the two means nothing.
    """

    item: str
    question: int
    first: str
    second: str


def pair_up(questions: int, arms: Sequence[str], secret: bytes, *, every_pair: bool) -> list[Pairing]:
    """Deals out pairs of arms to questions.

    Either each question is asked with every pair, a complete design of paired comparisons (David, 1988, "The Method of
    Paired Comparisons", chapter 1), or with one, in turns: then each pair has as many questions as every other, up to
    one where their number doesn't divide.

    Args:
        questions: How many there are.
        arms: At least two names, all different.
        secret: Of the test.
        every_pair: Whether each question is asked with every pair; with two arms both are the same.

    Returns:
        The pairings in the order of the questions.
    """
    pairs = _shuffled(combinations(arms, 2), secret, "pairs")
    turn = {question: place for place, question in enumerate(_shuffled(range(questions), secret, "turns"))}
    return [
        Pairing(_mark(secret, "item", question, *pair)[:6].hex(), question, *pair)
        for question in range(questions)
        for pair in (pairs if every_pair else [pairs[turn[question] % len(pairs)]])
    ]


def order_for(rater: str, pairings: Iterable[Pairing], secret: bytes) -> list[Pairing]:
    """Returns the pairings in the order in which a rater sees them.

    Args:
        rater: Whose order it is.
        pairings: Those that are asked.
        secret: Of the test.
    """
    return sorted(pairings, key=lambda pairing: _mark(secret, "order", rater, pairing.item))


def sides_for(rater: str, pairings: Iterable[Pairing], secret: bytes) -> dict[str, Sides]:
    """Chooses the sides that a rater sees.

    Of each pair, either arm stands left equally often, and each arm over all its pairs, both up to one where numbers
    are odd: items of a pair are turned two and two against each other, and the single ones that are left over are
    turned along closed walks (an Eulerian orientation), on which each arm is left as often as it is right.

    Args:
        rater: Whose sides they are.
        pairings: Those that are asked.
        secret: Of the test.

    Returns:
        The arms on the left and on the right, by item.
    """
    by_pair: dict[Sides, list[Pairing]] = defaultdict(list)
    for pairing in sorted(pairings, key=lambda pairing: _mark(secret, "side", rater, pairing.item)):
        by_pair[pairing.first, pairing.second].append(pairing)
    sides: dict[str, Sides] = {}
    single: list[tuple[str, Sides]] = []
    for (first, second), group in by_pair.items():
        for place, pairing in enumerate(group):
            sides[pairing.item] = (second, first) if place % 2 else (first, second)
        if len(group) % 2:
            turned = _mark(secret, "turn", rater, group[-1].item)[0] % 2
            single.append((group[-1].item, (second, first) if turned else (first, second)))
    return sides | _orient(single)


def _orient(edges: Sequence[tuple[str, Sides]]) -> dict[str, Sides]:
    """Turns single items so that each arm is left as often as right, up to one.

    Arms are the nodes of a graph, items its edges. Where a node has an odd number of them, an edge to a node outside
    makes it even; then every walk that goes on as long as it can is closed, and leaves a node as often as it enters it.
    """
    ends: dict[Hashable, tuple[str | None, str | None]] = dict(edges)
    degree: dict[str, int] = defaultdict(int)
    for _, (left, right) in edges:
        degree[left] += 1
        degree[right] += 1
    ends |= {("outside", arm): (arm, None) for arm, count in degree.items() if count % 2}
    turned: dict[str, Sides] = {}
    while ends:
        node = next(iter(ends.values()))[0]
        while edge := next((edge for edge, both in ends.items() if node in both), None):
            one, two = ends.pop(edge)
            other = two if node == one else one
            if isinstance(edge, str) and node is not None and other is not None:
                turned[edge] = (node, other)
            node = other
    return turned


def _shuffled(things: Iterable[Thing], secret: bytes, what: str) -> list[Thing]:
    return sorted(things, key=lambda thing: _mark(secret, what, thing))


def _mark(secret: bytes, *what: object) -> bytes:
    return hmac.digest(secret, json.dumps(what, ensure_ascii=True).encode(), "sha256")
