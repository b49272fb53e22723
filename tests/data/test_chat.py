"""Masks against strings that are marked by hand, on templates of every known manner."""

from importlib.resources import files

import pytest
from transformers import AutoTokenizer

from ftlab.data.chat import Encoder
from ftlab.data.source import read_splits
from ftlab.problem import InputError
from tests.data.chat_rows import encoder, fault, row
from tests.data.chat_templates import TEMPLATES, sentence_piece
from tests.reference.chat_mask import Segments, expected_mask

SEED_QUESTION = "你是一名资深的金融理财顾问,请回答以下问题:\n\n什么是复利效应?"


SEED_ANSWER = "复利效应就是“利滚利”:利息也会产生利息。🙂"


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


@pytest.mark.parametrize("name", ONE_TURN)
def test_begin_token_stands_at_most_once(name: str) -> None:
    encode, tokenizer = encoder(name)
    assert encode.encode(row("Hello", "Fine")).ids.tolist().count(tokenizer.bos_token_id) == (
        "<s>" in ONE_TURN[name][0][0]
    )


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
