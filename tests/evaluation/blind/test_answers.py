"""Answers are kept in batches; a killed writer leaves at most a half line, which is taken off and said."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.answers import AnswerFile, ArmAnswer, read_answers
from ftlab.problem import InputError

SETTINGS = {"decoding": "greedy", "max_new_tokens": 8}
ANSWERS = [
    ArmAnswer(place, arm, f"{arm}\n“{place}”\u2028\ud800", True, 3) for arm in ("base", "tuned") for place in range(3)
]


def test_a_file_cut_off_anywhere_goes_on_with_what_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerFile(file, SETTINGS).add(ANSWERS)
    whole = file.read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for length in sorted({*ends, *(end + 1 for end in ends), *range(0, len(whole), 29)}):
        file.write_bytes(whole[:length])
        again = AnswerFile(file, SETTINGS)
        lines = whole[:length].count(b"\n")
        assert len(again.answers) == max(lines - 1, 0)
        assert bool(again.note) == (lines > 0 and not whole[:length].endswith(b"\n"))
        again.add(answer for answer in ANSWERS if (answer.question, answer.arm) not in again.answers)
        assert file.read_bytes() == whole


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_any_text_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    made = [ArmAnswer(place, "base", text, False, 1) for place, text in enumerate(texts)]
    AnswerFile(file, SETTINGS).add(made)
    assert list(read_answers(file).values()) == made


def test_answers_made_otherwise_are_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerFile(file, SETTINGS).add(ANSWERS)
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"other settings \(max_new_tokens, seed\)"):
        AnswerFile(file, {"decoding": "greedy", "max_new_tokens": 9, "seed": 1})
    assert file.read_bytes() == before


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerFile(file, SETTINGS).add(ANSWERS)
    lines = file.read_bytes().split(b"\n")
    lines[2] = b'{"question": 1}'
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=r"answers.jsonl:3: is no line of answers"):
        AnswerFile(file, SETTINGS)
