"""What becomes of rows beside their masks: system messages, plain text, order, length."""

import pytest
from transformers import PreTrainedTokenizerFast

from ftlab.data.chat import Encoder
from ftlab.data.row import EncodedRow, Row
from ftlab.problem import InputError
from tests.data.chat_rows import encoder, fault, row
from tests.data.chat_templates import byte_level


def test_system_setting_is_added_where_row_has_none() -> None:
    encode, tokenizer = encoder("default", system="Be brief.")
    plain, own = encode.encode_all([row("Hello", "Fine"), row("Hello", "Fine", system="Mine")])
    assert tokenizer.decode(plain.ids).startswith("<s><|system|>\nBe brief.</s>\n<|user|>")
    assert tokenizer.decode(own.ids).startswith("<s><|system|>\nMine</s>\n<|user|>")
    assert tokenizer.decode(encode.prompt_ids(row("Hello", "Fine"))).startswith("<s><|system|>\nBe brief.</s>\n")


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
