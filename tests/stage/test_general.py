"""What forgetting is measured by: read in any form, bad input named, nothing left out in silence, no leak unsaid."""

import json
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from ftlab.check.duplicates import find_duplicates
from ftlab.data.source import read_splits
from ftlab.model.tokenizer import load_tokenizer
from ftlab.problem import InputError
from ftlab.stage.general import EMBEDDED, GeneralRows, leak_warnings, read_general, silent_note
from tests.config.composition import composed

TEXT, TALK = {"text": "The sea is wide and blue."}, {"prompt": "What is wide?", "completion": "The sea is wide."}
STOP = (5,)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(path=None)[0]


def _write(file: Path, *rows: object) -> Path:
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return file


def _read(tokenizer: PreTrainedTokenizerBase, *overrides: str, limit: int | None = 1024) -> GeneralRows | None:
    return read_general(composed(*overrides), tokenizer, STOP, limit)


def _refused(tokenizer: PreTrainedTokenizerBase, *overrides: str, limit: int | None = 1024) -> str:
    with pytest.raises(InputError) as caught:
        _read(tokenizer, *overrides, limit=limit)
    return str(caught.value)


def test_embedded_model_brings_its_texts_and_probe(tokenizer: PreTrainedTokenizerBase) -> None:
    found = _read(tokenizer)
    assert found is not None
    assert (len(found.texts), len(found.prompts), len(found.rows)) == (72, 40, 112)
    assert found.sources == ["embedded texts", "embedded probe"]
    assert not found.notes
    folder = files("ftlab.evaluation") / "general"
    assert sum(len((folder / name).read_bytes()) for name in chain(*EMBEDDED.values())) < 60_000


def test_embedded_rows_repeat_no_row_of_the_demo_and_none_another(tokenizer: PreTrainedTokenizerBase) -> None:
    found = _read(tokenizer)
    assert found is not None
    demo = read_splits()
    splits = {"test": found.rows, "train": list(chain(demo.train, demo.validation, demo.test))}
    ids = {row.origin for row in found.rows}
    assert not [finding for finding in find_duplicates(splits, near=True) if finding.where in ids]
    assert leak_warnings(found, demo.train) == []


def test_other_models_are_told_once_what_to_name(tokenizer: PreTrainedTokenizerBase) -> None:
    assert _read(tokenizer, "model=qwen3-0.6b") is None
    (note,) = silent_note(composed("model=qwen3-0.6b"))
    assert "evaluation.general.path=general.jsonl" in note
    for chosen in ("evaluation=none", "evaluation.general.path=null"):
        assert silent_note(composed("model=qwen3-0.6b", chosen)) == []
    assert silent_note(composed()) == []


def test_random_weights_have_nothing_to_forget(tokenizer: PreTrainedTokenizerBase) -> None:
    assert _read(tokenizer, "model.weights=random") is None


def test_any_rows_are_read_and_scored_where_they_answer(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", TEXT)
    _write(tmp_path / "b.jsonl", TALK)
    asked = _write(tmp_path / "asked.json", "[" + json.dumps({"instruction": "2+2?", "output": "4"}) + "]")
    found = _read(tokenizer, f"evaluation.general.path={tmp_path}/*.jsonl", f"evaluation.general.probe={asked}")
    assert found is not None
    text, talk = found.texts
    assert text.targets_count == len(text) - 1
    answer = tokenizer.decode(talk.ids[talk.supervised])
    assert answer.startswith("The sea is wide.")
    assert tokenizer.decode(found.prompts[0]).endswith("2+2?<|end|>\n<|assistant|>\n")
    assert found.expected == ["4"]
    assert found.longest_answer_tokens == 2 * 1 + 16


def test_a_data_set_of_the_hub_is_read_by_its_split(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    _write(tmp_path / "held.jsonl", TEXT, {"text": "Another one."})
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: held\n    path: held.jsonl\n---\n"
    )
    hub = (f"evaluation.general.hub_id={tmp_path}", "evaluation.general.hub_split=held")
    found = _read(tokenizer, *hub, "evaluation.general.probe=null")
    assert found is not None
    assert len(found.texts) == 2
    assert found.sources == [f"{tmp_path}/held"]
    both = _refused(tokenizer, *hub, "evaluation.general.path=x.jsonl")
    assert "evaluation.general.hub_id: must not be set together with evaluation.general.path" in both


def test_everything_that_is_wrong_is_said_at_once(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    broken = _write(tmp_path / "broken.jsonl", TEXT, '{"text": "open', TEXT)
    plain = _write(tmp_path / "plain.jsonl", TEXT, TEXT)
    said = _refused(tokenizer, f"evaluation.general.path={broken}", f"evaluation.general.probe={plain}")
    assert f"{broken}:2: " in said
    assert f"{plain}:1: must be a question with its answer, but is plain text. (The same in 1 more row.)" in said
    said = _refused(tokenizer, "evaluation.general.path=nowhere.jsonl", "evaluation.general.probe=nor-here.jsonl")
    assert "evaluation.general.path: must be a file, a folder or a glob" in said
    assert "evaluation.general.probe: must be a file, a folder or a glob" in said


def test_an_empty_set_is_refused(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    assert "the file is empty" in _refused(tokenizer, f"evaluation.general.path={_write(tmp_path / 'a.jsonl')}")
    assert "holds none" in _refused(tokenizer, f"evaluation.general.path={_write(tmp_path / 'b.json', '[]')}")


def test_rows_that_are_too_many_or_too_long_are_counted(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    late = {"prompt": "far " * 60, "completion": "away"}
    file = _write(tmp_path / "a.jsonl", {"prompt": "go", "completion": "far " * 90}, late, TALK, TALK)
    given = (f"evaluation.general.path={file}", "evaluation.general.rows=3", "evaluation.general.probe=null")
    found = _read(tokenizer, *given, limit=50)
    assert found is not None
    assert found.notes == [
        f"{file}: the first 3 rows are used, those behind are not (evaluation.general.rows).",
        "General texts longer than 50 tokens: 1 scored up to there, 1 left out, because no answer begins there.",
    ]
    assert [len(row) for row in found.texts] == [50, len(found.texts[1])]
    nothing = _refused(tokenizer, f"evaluation.general.path={_write(tmp_path / 'b.jsonl', late)}", limit=20)
    assert "evaluation.general.path: must hold texts of which something can be scored" in nothing


def test_rows_that_are_trained_on_are_warned_of(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    mine = _write(tmp_path / "mine.jsonl", TALK, {"prompt": "Who?", "completion": "Ida."})
    asked = _write(tmp_path / "asked.jsonl", {"prompt": "who?", "completion": "ida"})
    found = _read(tokenizer, f"evaluation.general.path={mine}", f"evaluation.general.probe={asked}")
    assert found is not None
    train = read_splits(path=str(mine), row_format="prompt-completion", validation_fraction=0).train
    (note,) = leak_warnings(found, train)
    assert note.startswith("3 of 3 general rows are trained on, too, or ask what is trained on, so forgetting looks ")
    assert f"the first is {mine}:1." in note


def test_expected_answers_that_may_not_get_long_enough_are_counted(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    long = {"prompt": "Who?", "completion": "Ida of the far house by the sea."}
    asked = _write(tmp_path / "asked.jsonl", TALK, {"prompt": "Who?", "completion": "Ida."}, long)
    given = ("evaluation.general.path=null", f"evaluation.general.probe={asked}")
    found = _read(tokenizer, *given, "evaluation.max_new_tokens=4")
    assert found is not None
    (note,) = found.notes
    assert note.startswith("2 of 3 expected answers of the probe are longer than evaluation.max_new_tokens=4, so that")
    mended = note.rpartition(": ")[2].split()[0]
    again = _read(tokenizer, *given, mended)
    assert again is not None
    assert again.notes == []
