"""Rows and templates that can't be trained from truthfully are refused with the reason."""

import re

import pytest
from tokenizers import Tokenizer, normalizers, processors
from transformers import PreTrainedTokenizerFast

from ftlab.data.chat import Encoder
from ftlab.data.row import Message, Row
from ftlab.problem import InputError
from tests.data.chat_rows import encoder, fault, row
from tests.data.chat_templates import TEMPLATES, byte_level, stop_ids


def test_conversation_that_ends_with_a_question_is_refused() -> None:
    encode, _ = encoder("chatml")
    with pytest.raises(InputError, match=re.escape("the last turn must be the assistant's, but is of role 'user'.")):
        encode.encode(row("Hello", "Fine", "What?"))


def test_conversation_that_begins_with_an_answer_is_refused() -> None:
    encode, _ = encoder("chatml", train_on="assistant")
    example = Row(0, "rows.jsonl:1", messages=(Message("assistant", "Hello"),))
    with pytest.raises(InputError, match="the conversation begins with an answer"):
        encode.encode(example)


def test_stop_token_inside_the_answer_is_refused() -> None:
    encode, _ = encoder("chatml")
    with pytest.raises(InputError, match=re.escape("the answer holds the stop token '<|im_end|>' as text")):
        encode.encode(row("Hello", "Fine<|im_end|>\nmore"))


def test_template_refusing_a_row_is_quoted_with_the_row() -> None:
    encode, _ = encoder("gemma")
    with pytest.raises(InputError) as error:
        encode.encode_all([row("Hello", "Fine"), row("Hello", "Fine", system="Be brief.", row_id=1)])
    assert fault(error) == (
        "rows.jsonl:2: the chat template refuses the conversation: System role not supported. [FT511]"
    )


def test_template_without_stop_token_is_refused_once_for_all_rows() -> None:
    encode, _ = encoder("no_stop")
    with pytest.raises(InputError) as error:
        encode.encode_all([row("Hello", "Fine"), row("Hello", "Fine")])
    assert fault(error) == (
        "model.chat_template: the chat template ends an answer with '\\n', but generation stops at '</s>' only: the "
        "tuned model would never learn to stop. Set model.chat_template=default, or name a file. [FT510]"
    )


def test_end_of_turn_outside_the_stop_tokens_is_refused() -> None:
    tokenizer = byte_level("chatml")
    with pytest.raises(
        InputError, match=re.escape("ends an answer with '<|im_end|>\\n', but generation stops at '</s>'")
    ):
        Encoder(tokenizer).encode(row("Hello", "Fine"))


def test_generation_prompt_that_differs_from_the_answers_is_refused() -> None:
    tokenizer = byte_level("think_in_prompt")
    encode = Encoder(tokenizer, stop_ids=stop_ids(tokenizer, "chatml"))
    with pytest.raises(InputError, match=r"asks for an answer that thinks first .* but the row's answer doesn't"):
        encode.encode(row("Hello", "Fine"))


def test_question_and_answer_that_cannot_be_told_apart_are_refused() -> None:
    backend = Tokenizer.from_str(byte_level("default").backend_tokenizer.to_str())
    backend.normalizer = normalizers.Prepend("x")  # every string begins with a letter more: pieces spell another text
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", chat_template=TEMPLATES["default"])
    with pytest.raises(
        InputError, match="the tokenizer joins the end of the question with the beginning of the answer"
    ):
        Encoder(tokenizer).encode(row("Hello", "\nFine"))


def test_answer_that_ends_differently_is_refused() -> None:
    moody = TEMPLATES["chatml"].replace(
        "+ '\\n' }}{% endfor %}", "+ ('' if m['content'] == 'Fine' else '\\n') }}{% endfor %}"
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level("chatml").backend_tokenizer, eos_token="<|im_end|>", chat_template=moody
    )
    Encoder(tokenizer).encode(row("Hello", "Well"))
    with pytest.raises(InputError, match=re.escape("ends answer 1 with 'Fine<|im_end|>' instead of")) as error:
        Encoder(tokenizer).encode(row("Hello", "Fine"))
    assert error.value.problems[0].where == "rows.jsonl:1"


def test_row_of_one_token_carries_no_loss_and_is_refused() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level("default").backend_tokenizer)
    with pytest.raises(InputError, match="t:1: the row has no token that carries loss"):
        Encoder(tokenizer, stop_ids=[1]).encode(Row(0, "t:1", text="a"))


def test_tokenizer_that_frames_every_string_frames_no_conversation_twice() -> None:
    backend = Tokenizer.from_str(byte_level("default").backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATES["default"]
    )
    encoded = Encoder(tokenizer).encode(row("Hello", "Fine"))
    assert tokenizer.decode(encoded.ids) == "<s><|user|>\nHello</s>\n<|assistant|>\nFine</s>\n"
    assert Encoder(tokenizer).encode(Row(0, "t:1", text="Hello")).ids.tolist().count(0) == 1


def test_missing_template_is_refused_with_its_fix() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level("default").backend_tokenizer, eos_token="</s>")
    with pytest.raises(InputError, match=re.escape("Set model.chat_template=default")) as error:
        Encoder(tokenizer).encode(row("Hello", "Fine"))
    assert error.value.problems[0].where == "model.chat_template"


def test_tokenizer_without_any_stop_token_is_refused() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level("default").backend_tokenizer)
    with pytest.raises(InputError, match="no end-of-sequence token"):
        Encoder(tokenizer)
