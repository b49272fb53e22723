"""The probe's answers are judged by what they say, not by how they are written; both models stand side by side."""

import pytest

from ftlab.evaluation.forgetting import General, Match, Probe, is_right, probe, section
from ftlab.evaluation.generate import Answer
from ftlab.evaluation.perplexity import Figure


@pytest.mark.parametrize(
    ("answer", "expected", "match", "right"),
    [
        ("The city is  Eastfield.", "eastfield", "contains", True),
        ("Eastfields", "Eastfield", "contains", False),
        ("The code is X-77-A.", "X-77-A.", "contains", True),
        ("The code is X-771.", "X-77", "contains", False),
        ("It is 6 weeks", "16 weeks", "contains", False),
        ("It is 16 weeks", "6 weeks", "contains", False),
        ("The id is #71", "#71", "contains", True),
        ("", "no", "contains", False),
        ("anything", "...", "contains", False),
        ("ＡＢＣ", "abc", "exact", True),
        ("The city is Eastfield.", "Eastfield", "exact", False),
        ("Eastfield.", "eastfield", "exact", True),
        ("首都是北京。", "北京", "contains", True),
        ("a\nb", "a b", "exact", True),
    ],
)
def test_an_answer_is_right_by_its_words_alone(answer: str, expected: str, match: Match, right: bool) -> None:
    assert is_right(answer, expected, match) is right


def test_probe_counts_right_answers() -> None:
    said = [Answer("Rome.", True, 2), Answer("It is Bonn", True, 4), Answer("?", True, 1)]
    assert probe(said, ["Rome", "Bonn", "Oslo"]) == Probe(right=2, asked=3, cut=0)


def test_probe_counts_answers_that_were_cut_off_whether_they_are_right_or_not() -> None:
    said = [Answer("Rome, the", False, 3), Answer("It is", False, 2), Answer("Oslo", True, 1)]
    assert probe(said, ["Rome", "Bonn", "Oslo"]) == Probe(right=2, asked=3, cut=2)


def test_probe_refuses_answers_that_are_not_those_of_the_questions() -> None:
    with pytest.raises(ValueError, match="as many as `expected`, at least one, but there are 1 and 2"):
        probe([Answer("a", True, 1)], ["a", "b"])
    with pytest.raises(ValueError, match="there are 0 and 0"):
        probe([], [])


def test_both_models_stand_side_by_side_with_the_figures_of_the_card() -> None:
    texts = Figure(loss=1.0, perplexity=2.7, low=2.5, high=3.0, rows=4, tokens=99)
    found = section(General(texts, Probe(3, 4, 0)), General(None, Probe(1, 4, 2)), ["mine.jsonl"])
    assert found is not None
    figures = {"loss": 1.0, "perplexity": 2.7, "low": 2.5, "high": 3.0, "rows": 4, "tokens": 99}
    assert found["base"] == {**figures, "probe": {"right": 3, "asked": 4, "cut": 0}}
    assert found["tuned"] == dict.fromkeys(found["base"]) | {"probe": {"right": 1, "asked": 4, "cut": 2}}
    assert found["sources"] == ["mine.jsonl"]
    assert section(None, None, []) is None
