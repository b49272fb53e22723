"""What the terminal says of a test and of its result."""

from pathlib import Path

import pytest
from rich.console import Console

from ftlab.evaluation.blind.score import score
from ftlab.evaluation.blind.table import print_links, print_result, print_test
from ftlab.evaluation.blind.trial import Trial
from ftlab.evaluation.blind.wording import p_value, percent
from tests.reference.made_trial import made_trial, two_arms, vote


def _console() -> Console:
    return Console(record=True, width=120, force_terminal=False)


def _tuned(left: str, right: str) -> str:
    return "tuned"


def test_a_result_names_counts_intervals_and_what_speaks_against_it(tmp_path: Path) -> None:
    trial = two_arms(tmp_path, questions=20)
    votes = [*vote(trial, "anna", _tuned), *vote(trial, "ben", _tuned, most=3)]
    console = _console()
    print_result(console, score(trial, votes, ["anna", "ben"]), title="base · tuned", written={"page": "result.html"})
    said = " ".join(console.export_text().split())
    for words in (
        "tuned is better than base.",
        "tuned won 20, tied 0 and lost 0 of 20 items against base: 100 % of the decided ones",
        "95 % interval 83 % to 100 %",
        "terminology right",
        "ben has rated 3 of 20 items.",
        "anna alone",
        "20 decided items find a difference in 80 % of the cases where one arm wins 80 % of them in truth",
        "Points (win 1, tie ½): 100 % of every item, which leaves a bootstrap over items nothing to vary.",
        "result.html",
    ):
        assert words in said, words


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    arms = {"[bold]a": ["x", "y"], "[/red] b": ["u", "v"]}
    trial = made_trial(tmp_path, arms)
    console = _console()
    print_result(console, score(trial, vote(trial, "[i]r", lambda left, _: left)), title="[x]", written={"[y]": "[z]"})
    print_test(console, trial, {"[i]r": Path("[p]")}, {"[c]": "[d]"})
    print_links(console, {"[i]r": "http://[h]"})
    said = console.export_text()
    for name in (*arms, "[i]r", "[x]", "[y]", "[z]", "[p]", "[c]", "[d]", "http://[h]"):
        assert name in said, name


def test_a_sealed_test_is_told_without_telling_whose_answers_are_whose(tmp_path: Path) -> None:
    texts = {"base": ["<think>long</think>a", "same", "b"], "tuned": ["c", "same", "d"]}
    trial: Trial = made_trial(tmp_path, texts)
    console = _console()
    print_test(console, trial, {"anna": Path("rate-anna.html")}, {"score": "python -m ftlab"})
    said = " ".join(console.export_text().split())
    for words in (
        "items to rate 2 a rater",
        "1: ties that nobody is asked about",
        "thinking (1×)",
        "rate-anna.html",
    ):
        assert words in said, words
    assert trial.key.secret not in said


@pytest.mark.parametrize(
    ("p", "shown"), [(0.5, "p = 0.50"), (0.0312, "p = 0.031"), (1e-9, "p < 0.0001"), (1.0, "p = 1.00")]
)
def test_p_values_are_short(p: float, shown: str) -> None:
    assert p_value(p) == shown
    assert percent(None) == "–"
