"""Closeness to references: equal to torchmetrics where words are parted by spaces, and sound in every script."""

import socket

import pytest
from torchmetrics.functional.text import bleu_score, rouge_score

from ftlab.evaluation.reference import closeness, tokens

ANSWERS = ["the fee is four euros a month", "please call the desk in the north", "gold"]
REFERENCES = ["the fee is nine euros a month", "call the desk in the north", "gold"]


def test_plain_words_score_as_torchmetrics_does() -> None:
    found = closeness(ANSWERS, REFERENCES)
    rouge = rouge_score(ANSWERS, REFERENCES, rouge_keys="rougeL")
    assert found.rouge_l == pytest.approx(float(rouge["rougeL_fmeasure"]))
    assert found.bleu == pytest.approx(float(bleu_score(ANSWERS, [[text] for text in REFERENCES], smooth=True)))
    assert 0 < found.bleu < found.rouge_l < 1
    assert (found.exact, found.contains) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_rouge_is_the_longest_common_subsequence() -> None:
    """6 of 7 tokens in order on both sides."""
    assert closeness(ANSWERS[:1], REFERENCES[:1]).rouge_l == pytest.approx(6 / 7)


@pytest.mark.parametrize(
    ("answer", "reference", "rouge_l"),
    [
        ("年费是三百元", "年费是两百元", 5 / 6),
        ("こんにちは世界", "こんにちは世界", 1.0),
        ("Комиссия четыре евро", "Комиссия девять евро", 2 / 3),
        ("수수료는 사 유로", "수수료는 구 유로", 2 / 3),
        ("الرسوم أربعة يورو", "الرسوم تسعة يورو", 2 / 3),
        ("शुल्क तीन सौ है", "शुल्क दो सौ है", 3 / 4),
        ("Größe", "grösse", 1.0),
    ],
)
def test_every_script_has_tokens(answer: str, reference: str, rouge_l: float) -> None:
    assert closeness([answer], [reference]).rouge_l == pytest.approx(rouge_l)


def test_words_of_an_answer_need_the_whole_reference() -> None:
    assert closeness(["The code is B77."], ["B7"]).contains == 0
    assert closeness(["The code is b7."], ["B7"]).contains == 1


def test_spacing_and_unicode_form_do_not_count() -> None:
    assert closeness(["  Caf\u0065\u0301\n fee"], ["Caf\u00e9 fee"]).exact == 1


def test_empty_answers_score_nothing() -> None:
    found = closeness(["", ""], ["a", "b c"])
    assert (found.exact, found.contains, found.rouge_l, found.bleu) == (0, 0, 0, 0)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was used"))
    closeness(ANSWERS, REFERENCES)


@pytest.mark.parametrize(("answers", "references"), [([], []), (["a"], ["a", "b"])])
def test_answers_must_be_as_many_as_references(answers: list[str], references: list[str]) -> None:
    with pytest.raises(ValueError, match="`answers` must be as many as `references`"):
        closeness(answers, references)


def test_tokens_keep_every_sign_but_spaces() -> None:
    text = 'Die Gebühr: 4,50 €. 年费300元 ราคา {"a":1}'
    assert "".join(tokens(text)) == text.replace(" ", "")
