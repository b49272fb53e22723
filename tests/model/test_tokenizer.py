"""A tokenizer always comes out with padding and a template, and says what it took for them."""

from pathlib import Path

import pytest
from transformers import GenerationConfig

from ftlab.data.template import DEFAULT_CHAT_TEMPLATE
from ftlab.model.load import embedded_path
from ftlab.model.tokenizer import check_vocabulary, load_tokenizer, stop_token_ids
from ftlab.problem import InputError
from tests.model.toy import toy_tokenizer


def folder_with(folder: Path, **tokens: str) -> str:
    toy_tokenizer(**tokens).save_pretrained(folder)
    return str(folder)


def test_a_padding_token_of_its_own_is_kept_in_silence(tmp_path: Path) -> None:
    path = folder_with(tmp_path, eos_token="</s>", pad_token="<blank>")
    tokenizer, notes = load_tokenizer(path=path, chat_template="default")
    assert tokenizer.pad_token == "<blank>"
    assert notes == []


@pytest.mark.parametrize(
    ("spare", "taken"), [("<|finetune_right_pad_id|>", "<|finetune_right_pad_id|>"), ("<other>", "<unk>")]
)
def test_a_missing_padding_token_is_a_spare_one(spare: str, taken: str, tmp_path: Path) -> None:
    path = folder_with(tmp_path, eos_token="</s>", sep_token=spare)
    tokenizer, notes = load_tokenizer(path=path, chat_template="default")
    assert tokenizer.pad_token == taken
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert notes == [f"The tokenizer has no padding token: '{taken}' is used (padding never carries loss)."]


def test_the_end_of_sequence_pads_where_nothing_else_can(tmp_path: Path) -> None:
    import json

    path = folder_with(tmp_path, eos_token="</s>")
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text().replace("<unk>", "<who>"))))
    tokenizer, _ = load_tokenizer(path=path, chat_template="default")
    assert tokenizer.pad_token == "</s>"


def test_neither_padding_nor_end_of_sequence_is_refused(tmp_path: Path) -> None:
    path = folder_with(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text().replace("<unk>", "<who>"))
    with pytest.raises(InputError, match=r"model\.path: must have a tokenizer with a padding or an end-of-sequence"):
        load_tokenizer(path=path)


def test_a_missing_template_is_the_default_and_said(tmp_path: Path) -> None:
    path = folder_with(tmp_path, eos_token="</s>", pad_token="<blank>")
    tokenizer, notes = load_tokenizer(path=path)
    assert tokenizer.chat_template == DEFAULT_CHAT_TEMPLATE
    assert notes == ["The tokenizer has no chat template: ftlab's default is used and saved with the result."]


def test_a_template_of_its_own_wins_unless_another_is_named(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer(eos_token="</s>", pad_token="<blank>")
    tokenizer.chat_template = "own"
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "mine.jinja").write_text("mine")
    assert load_tokenizer(path=str(tmp_path))[0].chat_template == "own"
    assert load_tokenizer(path=str(tmp_path), chat_template="default")[0].chat_template == DEFAULT_CHAT_TEMPLATE
    mine = load_tokenizer(path=str(tmp_path), chat_template=str(tmp_path / "mine.jinja"))
    assert mine[0].chat_template == "mine"


def test_a_template_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = folder_with(tmp_path, eos_token="</s>")
    with pytest.raises(InputError, match=r"model\.chat_template: must be null, default or a Jinja file"):
        load_tokenizer(path=path, chat_template=str(tmp_path / "none.jinja"))


def test_an_unreachable_tokenizer_is_an_error_for_real_weights() -> None:
    with pytest.raises(OSError, match="cached files"):
        load_tokenizer(path="meta-llama/Meta-Llama-3-8B", offline=True)


@pytest.mark.skipif(not (embedded_path() / "tokenizer.json").is_file(), reason="the embedded model is not built yet")
def test_random_weights_fall_back_to_the_embedded_tokenizer_and_say_so() -> None:
    tokenizer, notes = load_tokenizer(path="meta-llama/Meta-Llama-3-8B", weights="random", offline=True)
    assert len(tokenizer) > 100
    assert notes[0].startswith("The tokenizer of meta-llama/Meta-Llama-3-8B can't be reached")


def test_stop_tokens_are_those_of_generation_and_the_tokenizers(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer(bos_token="<s>", eos_token="</s>")
    eos = tokenizer.eos_token_id
    assert stop_token_ids(GenerationConfig(eos_token_id=[7, eos]), tokenizer) == (7, eos)
    assert stop_token_ids(GenerationConfig(eos_token_id=7), tokenizer) == (7, eos)
    assert stop_token_ids(None, tokenizer) == (eos,)


def test_a_vocabulary_that_is_too_small_is_a_problem() -> None:
    tokenizer = toy_tokenizer(eos_token="</s>")
    assert check_vocabulary(tokenizer, len(tokenizer)) == []
    (problem,) = check_vocabulary(tokenizer, len(tokenizer) - 1)
    assert problem.where == "model.shape.vocab_size"
