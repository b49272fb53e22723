"""Masks against strings that are marked by hand, on templates of every known manner."""

import re
from importlib.resources import files

import pytest
from tokenizers import Tokenizer, normalizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ftlab.data.chat import Encoder
from ftlab.data.row import EncodedRow, Message, Row
from ftlab.data.source import read_splits
from ftlab.problem import InputError
from tests.data.chat_templates import TEMPLATES, byte_level, sentence_piece, stop_ids
from tests.reference.chat_mask import Segments, expected_mask

SEED_QUESTION = "你是一名资深的金融理财顾问,请回答以下问题:\n\n什么是复利效应?"
SEED_ANSWER = "复利效应就是“利滚利”:利息也会产生利息。🙂"


def row(*turns: str, system: str | None = None, row_id: int = 0) -> Row:
    """A conversation: question, answer, question, answer…"""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[number % 2], text) for number, text in enumerate(turns))
    start = (Message("system", system),) if system is not None else ()
    return Row(row_id, f"rows.jsonl:{row_id + 1}", messages=start + messages)


def encoder(name: str, **settings: object) -> tuple[Encoder, PreTrainedTokenizerFast]:
    tokenizer = byte_level(name)
    return Encoder(tokenizer, stop_ids=stop_ids(tokenizer, name), **settings), tokenizer  # type: ignore[arg-type]


def fault(error: pytest.ExceptionInfo[InputError]) -> str:
    return str(error.value)


ONE_TURN: dict[str, Segments] = {
    "llama3": [
        ("<s><|start_header_id|>user<|end_header_id|>\n\n" + SEED_QUESTION + "<|eot_id|>", False),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", False),
        (SEED_ANSWER + "<|eot_id|>", True),
    ],
    "chatml": [
        ("<|im_start|>system\nYou are helpful.<|im_end|>\n", False),
        ("<|im_start|>user\n" + SEED_QUESTION + "<|im_end|>\n<|im_start|>assistant\n", False),
        (SEED_ANSWER + "<|im_end|>", True),
        ("\n", False),
    ],
    "thinking": [
        ("<|im_start|>user\n" + SEED_QUESTION + "<|im_end|>\n<|im_start|>assistant\n", False),
        ("<think>\n\n</think>\n\n" + SEED_ANSWER + "<|im_end|>", True),
        ("\n", False),
    ],
    "mistral": [("<s>[INST] " + SEED_QUESTION + " [/INST]", False), (" " + SEED_ANSWER + "</s>", True)],
    "gemma": [
        ("<s><start_of_turn>user\n" + SEED_QUESTION + "<end_of_turn>\n<start_of_turn>model\n", False),
        (SEED_ANSWER + "<end_of_turn>", True),
        ("\n", False),
    ],
    "phi": [
        ("<|user|>" + SEED_QUESTION + "<|end|><|assistant|>", False),
        (SEED_ANSWER + "<|end|>", True),
        ("</s>", False),
    ],
    "default": [
        ("<s><|user|>\n" + SEED_QUESTION + "</s>\n<|assistant|>\n", False),
        (SEED_ANSWER + "</s>", True),
        ("\n", False),
    ],
}


@pytest.mark.parametrize("name", ONE_TURN)
def test_mask_equals_hand_marked_string_for_the_seed_row(name: str) -> None:
    encode, tokenizer = encoder(name)
    encoded = encode.encode(row(SEED_QUESTION, SEED_ANSWER))
    assert encoded.supervised.tolist() == expected_mask(tokenizer, encoded.ids.tolist(), ONE_TURN[name])


@pytest.mark.parametrize("name", ONE_TURN)
def test_ids_before_the_answer_are_the_prompt_of_generation(name: str) -> None:
    encode, _ = encoder(name)
    example = row("Hello, how are you?", "\n\nFine, thanks.\n", "What is it?", "\nThe answer\n\n")
    encoded = encode.encode(example)
    start = int(encoded.supervised.nonzero()[0])
    assert encoded.ids[:start].tolist() == encode.prompt_ids(example)
    assert encoded.supervised[start:].any()


def test_answer_begins_apart_from_prompt_where_whole_text_joins_them() -> None:
    encode, tokenizer = encoder("default")
    example = row("What?", "\nyes")
    whole = tokenizer("<s><|user|>\nWhat?</s>\n<|assistant|>\n\nyes</s>\n", add_special_tokens=False)["input_ids"]
    encoded = encode.encode(example)
    assert encoded.ids.tolist() != whole, "this tokenizer must join the two line breaks, or the test shows nothing"
    assert tokenizer.decode(encoded.ids[encoded.supervised]) == "\nyes</s>"


FOUR_TURNS = ("Hello", "Fine, thanks.", "What is it?", "Köln")
ALL_ANSWERS: dict[str, Segments] = {
    "llama3": [
        ("<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>", False),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", False),
        ("Fine, thanks.<|eot_id|>", True),
        ("<|start_header_id|>user<|end_header_id|>\n\nWhat is it?<|eot_id|>", False),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", False),
        ("Köln<|eot_id|>", True),
    ],
    "chatml": [
        ("<|im_start|>system\nYou are helpful.<|im_end|>\n", False),
        ("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", False),
        ("Fine, thanks.<|im_end|>", True),
        ("\n<|im_start|>user\nWhat is it?<|im_end|>\n<|im_start|>assistant\n", False),
        ("Köln<|im_end|>", True),
        ("\n", False),
    ],
    "mistral": [
        ("<s>[INST] Hello [/INST]", False),
        (" Fine, thanks.</s>", True),
        ("[INST] What is it? [/INST]", False),
        (" Köln</s>", True),
    ],
    "gemma": [
        ("<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n", False),
        ("Fine, thanks.<end_of_turn>", True),
        ("\n<start_of_turn>user\nWhat is it?<end_of_turn>\n<start_of_turn>model\n", False),
        ("Köln<end_of_turn>", True),
        ("\n", False),
    ],
    "phi": [
        ("<|user|>Hello<|end|><|assistant|>", False),
        ("Fine, thanks.<|end|>", True),
        ("<|user|>What is it?<|end|><|assistant|>", False),
        ("Köln<|end|>", True),
        ("</s>", False),
    ],
    "default": [
        ("<s><|user|>\nHello</s>\n<|assistant|>\n", False),
        ("Fine, thanks.</s>", True),
        ("\n<|user|>\nWhat is it?</s>\n<|assistant|>\n", False),
        ("Köln</s>", True),
        ("\n", False),
    ],
}


@pytest.mark.parametrize("name", ALL_ANSWERS)
def test_mask_holds_every_answer_when_trained_on_assistant(name: str) -> None:
    encode, tokenizer = encoder(name, train_on="assistant")
    encoded = encode.encode(row(*FOUR_TURNS))
    assert encoded.supervised.tolist() == expected_mask(tokenizer, encoded.ids.tolist(), ALL_ANSWERS[name])


@pytest.mark.parametrize("name", ALL_ANSWERS)
def test_mask_holds_last_answer_only_when_trained_on_answer(name: str) -> None:
    encode, tokenizer = encoder(name, train_on="answer")
    encoded = encode.encode(row(*FOUR_TURNS))
    last = max(number for number, (_, flag) in enumerate(ALL_ANSWERS[name]) if flag)
    segments = [(text, number == last) for number, (text, _) in enumerate(ALL_ANSWERS[name])]
    assert encoded.supervised.tolist() == expected_mask(tokenizer, encoded.ids.tolist(), segments)


def test_mask_holds_everything_when_trained_on_text() -> None:
    encode, _ = encoder("chatml", train_on="text")
    assert encode.encode(row(*FOUR_TURNS)).supervised.all()


def test_all_answers_are_found_where_tokenizer_joins_a_prompt_with_its_answer() -> None:
    encode, tokenizer = encoder("default", train_on="assistant")
    encoded = encode.encode(row("Hello", "\nFine", "What?", "\n\nKöln"))
    segments = [
        ("<s><|user|>\nHello</s>\n<|assistant|>\n", False),
        ("\nFine</s>", True),
        ("\n<|user|>\nWhat?</s>\n<|assistant|>\n", False),
        ("\n\nKöln</s>", True),
        ("\n", False),
    ]
    assert encoded.supervised.tolist() == expected_mask(tokenizer, encoded.ids.tolist(), segments)


def test_trimmed_content_is_masked_as_the_template_writes_it() -> None:
    encode, tokenizer = encoder("llama3")
    encoded = encode.encode(row("  Hello \n", "\n  Fine  \n"))
    assert tokenizer.decode(encoded.ids[encoded.supervised]) == "Fine<|eot_id|>"
    assert "user<|end_header_id|>\n\nHello<|eot_id|>" in tokenizer.decode(encoded.ids)


def test_thinking_template_masks_last_answer_when_it_drops_earlier_thoughts() -> None:
    encode, tokenizer = encoder("thinking")
    encoded = encode.encode(row("Hello", "<think>\nsecret\n</think>\n\nFine", "What?", "<think>\nhm\n</think>\n\nyes"))
    assert "secret" not in tokenizer.decode(encoded.ids)
    assert tokenizer.decode(encoded.ids[encoded.supervised]) == "<think>\nhm\n</think>\n\nyes<|im_end|>"


def test_rewritten_earlier_answer_is_refused_when_trained_on_assistant() -> None:
    encode, _ = encoder("thinking", train_on="assistant")
    with pytest.raises(InputError) as error:
        encode.encode(row(*FOUR_TURNS))
    assert fault(error) == (
        "rows.jsonl:1: the chat template rewrites answer 1 once the conversation goes on, so it can't be trained where "
        "it stands. Set data.train_on=each (a row for each answer) or answer (the last one). [FT512]"
    )


@pytest.mark.parametrize("name", ["mistral", "default"])
def test_sentence_piece_mask_spells_prompt_and_answer(name: str) -> None:
    tokenizer = sentence_piece(name)
    encode = Encoder(tokenizer, train_on="assistant")
    example = row("Hello", "Fine, thanks.", "What is it?", "yes 🙂")
    encoded = encode.encode(example)
    answers = "".join(text for text, flag in ALL_ANSWERS[name] if flag).replace("Köln", "yes 🙂")
    assert tokenizer.decode(encoded.ids[encoded.supervised]).replace(" ", "") == answers.replace(" ", "")
    last = Encoder(tokenizer).encode(example)
    start = int(last.supervised.nonzero()[0])
    assert last.ids[:start].tolist() == encode.prompt_ids(example)


def test_system_setting_is_added_where_row_has_none() -> None:
    encode, tokenizer = encoder("default", system="Be brief.")
    plain, own = encode.encode_all([row("Hello", "Fine"), row("Hello", "Fine", system="Mine")])
    assert tokenizer.decode(plain.ids).startswith("<s><|system|>\nBe brief.</s>\n<|user|>")
    assert tokenizer.decode(own.ids).startswith("<s><|system|>\nMine</s>\n<|user|>")
    assert tokenizer.decode(encode.prompt_ids(row("Hello", "Fine"))).startswith("<s><|system|>\nBe brief.</s>\n")


@pytest.mark.parametrize("name", ONE_TURN)
def test_begin_token_stands_at_most_once(name: str) -> None:
    encode, tokenizer = encoder(name)
    assert encode.encode(row("Hello", "Fine")).ids.tolist().count(tokenizer.bos_token_id) == (
        "<s>" in ONE_TURN[name][0][0]
    )


def test_plain_text_is_framed_and_carries_loss_everywhere() -> None:
    encode, tokenizer = encoder("default")
    encoded = encode.encode(Row(3, "text.jsonl:1", text="Grüße\n"))
    assert tokenizer.decode(encoded.ids) == "<s>Grüße\n</s>"
    assert encoded.supervised.all()
    assert encoded.targets_count == len(encoded) - 1


def test_plain_text_is_not_framed_twice_where_it_is_framed() -> None:
    encode, tokenizer = encoder("default")
    assert tokenizer.decode(encode.encode(Row(3, "text.jsonl:1", text="<s>Hello</s>")).ids) == "<s>Hello</s>"


def test_plain_text_needs_no_template() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level("default").backend_tokenizer, eos_token="</s>")
    assert tokenizer.decode(Encoder(tokenizer).encode(Row(0, "t:1", text="Hello")).ids) == "Hello</s>"


def test_prompt_of_plain_text_is_its_first_half() -> None:
    encode, tokenizer = encoder("default")
    assert tokenizer.decode(encode.prompt_ids(Row(0, "t:1", text="Hello, how are you?"))) == "<s>Hello, ho"


def test_order_and_ids_of_rows_are_kept_over_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlab.data.chat.BATCH_ROWS", 3)
    encode, tokenizer = encoder("chatml")
    encoded = encode.encode_all([row("What?", f"answer {number}", row_id=number) for number in range(8)])
    assert [one.id for one in encoded] == list(range(8))
    answers = [tokenizer.decode(one.ids[one.supervised]) for one in encoded]
    assert answers == [f"answer {number}<|im_end|>" for number in range(8)]
    assert all(isinstance(one, EncodedRow) for one in encoded)


def test_too_long_rows_are_all_named_with_their_length() -> None:
    encode, _ = encoder("chatml", max_row_tokens=60)
    rows = [row("What?", text, row_id=number) for number, text in enumerate(["yes", "no " * 50, "no", "yes " * 60])]
    with pytest.raises(InputError) as error:
        encode.encode_all(rows)
    assert [problem.where for problem in error.value.problems] == ["rows.jsonl:2", "rows.jsonl:4"]
    length = len(encoder("chatml")[0].encode(rows[1]))
    assert fault(error).startswith(
        f"rows.jsonl:2: the row is {length} tokens long, but at most 60 are allowed. Shorten or remove it, or set "
        f"data.long_rows=truncate, split or drop, or training.max_row_tokens={length} if the model's context allows "
        "that."
    )


def test_row_of_exactly_the_limit_is_kept() -> None:
    example = row("What?", "yes")
    length = len(encoder("chatml")[0].encode(example))
    assert len(encoder("chatml", max_row_tokens=length)[0].encode(example)) == length


def test_faults_beyond_the_cap_are_counted() -> None:
    encode, _ = encoder("chatml", max_row_tokens=5)
    with pytest.raises(InputError) as error:
        encode.encode_all([row("What?", "yes", row_id=number) for number in range(50)])
    assert len(error.value.problems) == 21
    assert str(error.value.problems[-1]) == "rows.jsonl:21: this row and 29 more have faults, too."


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


def test_every_demo_row_is_masked_to_its_answer_with_the_embedded_tokenizer() -> None:
    tokenizer = AutoTokenizer.from_pretrained(files("ftlab.model") / "tiny", local_files_only=True)
    encode, splits = Encoder(tokenizer, max_row_tokens=1024), read_splits()
    rows = [*splits.train, *splits.validation, *splits.test]
    for example, encoded in zip(rows, encode.encode_all(rows), strict=True):
        start = int(encoded.supervised.nonzero()[0])
        assert encoded.ids[:start].tolist() == encode.prompt_ids(example)
        assert tokenizer.decode(encoded.ids[encoded.supervised]) == example.messages[-1].content + "<|end|>"
        assert tokenizer.decode(encoded.ids) == (
            f"<|bos|><|user|>\n{example.messages[0].content}<|end|>\n"
            f"<|assistant|>\n{example.messages[1].content}<|end|>\n"
        )


def test_every_template_of_this_file_is_used() -> None:
    assert set(TEMPLATES) == {*ONE_TURN, "think_in_prompt", "no_stop"}
