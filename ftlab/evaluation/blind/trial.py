"""A sealed test: makes the sheet of any rater, and tells whose answers a vote was about.

In: the folder of a test. Out: `Sheet`s, in which nothing tells the arms, and `Verdict`s, in which they are named. Only
what is scored or shown after the test may unblind.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

from ftlab.evaluation.blind import seal
from ftlab.evaluation.blind.answers import ArmAnswer, read_answers
from ftlab.evaluation.blind.design import Pairing, Sides, order_for, pair_up, sides_for
from ftlab.evaluation.blind.sheet import Item, Rating, Sheet
from ftlab.evaluation.blind.strip import strip

RATINGS = "ratings"
"""The folder in the test's folder that files of ratings are put into."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a test, as its file holds it.

    Attributes:
        origin: Where it comes from, as `file:line`.
        question: What raters read.
        reference: The answer that was given with it; empty where there was none.
    """

    origin: str
    question: str
    reference: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A vote with the arms named.

    Attributes:
        rating: The vote as it was given.
        pairing: The question and its two arms.
        left: The arm that stood on the left.
        right: The arm that stood on the right.
        winner: The better arm; None for a tie.
    """

    rating: Rating
    pairing: Pairing
    left: str
    right: str
    winner: str | None

    def mark(self, criterion: str, arm: str) -> bool | None:
        """Returns an arm's mark; None where it was left open."""
        return self.rating.marks[criterion]["left" if arm == self.left else "right"]


def write_questions(folder: Path, questions: Iterable[Asked]) -> None:
    """Writes the questions of a test into its folder.

    Args:
        folder: Made where it is missing.
        questions: In their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / seal.QUESTIONS).write_text(questions_text(questions), encoding="utf-8")


def questions_text(questions: Iterable[Asked]) -> str:
    """Returns what the file of the questions holds, one a line."""
    return "".join(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions)


class Trial:
    """One test.

    Args:
        folder: Where it lies; sealed.

    Attributes:
        folder: Where it lies.
        key: The opened key.
        questions: The questions in their order.
        answers: The answers as generated, by question and arm.
        pairings: Who is compared on what, also where both answers are the same.

    Raises:
        InputError: It is no sealed test, or was changed since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = seal.open_key(folder)
        lines = (folder / seal.QUESTIONS).read_text(encoding="utf-8").split("\n")
        self.questions = [Asked(**json.loads(line)) for line in lines if line]
        self.answers: Mapping[tuple[int, str], ArmAnswer] = read_answers(folder / seal.ANSWERS)
        self.pairings = pair_up(
            len(self.questions), self.key.arms, self.key.secret_bytes, every_pair=self.key.every_pair
        )
        stripped = {place: strip(answer.text, self.key.rules) for place, answer in self.answers.items()}
        self._shown = {place: text for place, (text, _) in stripped.items()}
        self._taken = {place: found for place, (_, found) in stripped.items()}

    @cached_property
    def same(self) -> list[Pairing]:
        """Pairings whose answers look the same: they count as ties, and nobody is asked."""
        return [one for one in self.pairings if self.shown(one, one.first) == self.shown(one, one.second)]

    @cached_property
    def asked(self) -> list[Pairing]:
        """Pairings that raters are asked."""
        same = {pairing.item for pairing in self.same}
        return [pairing for pairing in self.pairings if pairing.item not in same]

    @property
    def asked_a_pair(self) -> int:
        """Items that are asked of the pair of arms that has the fewest: what bounds the differences to be found."""
        asked = Counter((pairing.first, pairing.second) for pairing in self.asked)
        return min(asked[pair] for pair in combinations(self.key.arms, 2))

    @property
    def items(self) -> set[str]:
        """The ids of what is asked."""
        return {pairing.item for pairing in self.asked}

    def shown(self, pairing: Pairing, arm: str) -> str:
        """Returns an answer as raters see it."""
        return self._shown[pairing.question, arm]

    def stripped(self) -> dict[str, Counter[str]]:
        """Returns what was taken out of each arm's answers: in how many of them, by kind."""
        taken = {arm: Counter[str]() for arm in self.key.arms}
        for (_, arm), found in self._taken.items():
            taken[arm].update(found.keys())
        return taken

    def sheet(self, rater: str) -> Sheet:
        """Returns what one rater sees: always the same for the same name.

        Args:
            rater: The rater's name.
        """
        sides = self.sides(rater)
        items = []
        for pairing in order_for(rater, self.asked, self.key.secret_bytes):
            left, right = (self.shown(pairing, arm) for arm in sides[pairing.item])
            items.append(Item(pairing.item, self.questions[pairing.question].question, left, right))
        return Sheet(self.key.test, rater, tuple(items))

    def sides(self, rater: str) -> dict[str, Sides]:
        """Returns the arms on the left and on the right of one rater's sheet, by item: this unblinds it."""
        return sides_for(rater, self.asked, self.key.secret_bytes)

    def unblind(self, ratings: Iterable[Rating]) -> list[Verdict]:
        """Names the arms of votes.

        Args:
            ratings: Votes of this test on items that were asked.

        Returns:
            One verdict a vote, in their order.
        """
        votes = list(ratings)
        by_item = {pairing.item: pairing for pairing in self.asked}
        sides = {rater: self.sides(rater) for rater in dict.fromkeys(vote.rater for vote in votes)}
        verdicts = []
        for vote in votes:
            left, right = sides[vote.rater][vote.item]
            winner = {"left": left, "right": right, "tie": None}[vote.choice]
            verdicts.append(Verdict(vote, by_item[vote.item], left, right, winner))
        return verdicts
