"""The preflight of masks: true ones pass, and every way of breaking one is caught and named."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from ftlab.check.codes import CODES
from ftlab.check.finding import Finding
from ftlab.check.masks import check_masks
from ftlab.data.chat import Encoder
from ftlab.data.render import TrainOn
from ftlab.data.row import EncodedRow, Message, Row
from ftlab.problem import InputError
from tests.data.chat_templates import byte_level, sentence_piece, stop_ids
from tests.reference import real_templates

NAMES = ("llama3", "chatml", "thinking", "mistral", "gemma", "phi", "default")
ROWS = [
    Row(4, "rows.jsonl:5", messages=(Message("user", "What is it?"), Message("assistant", "The answer is yes."))),
    Row(5, "rows.jsonl:6", messages=(Message("user", "\nGrüße "), Message("assistant", " Köln 🙂\n"))),
    Row(
        6,
        "rows.jsonl:7",
        messages=(
            Message("user", "Hello"),
            Message("assistant", "Fine, thanks."),
            Message("user", "What?"),
            Message("assistant", "The answer is no."),
        ),
    ),
]
PAD_ID = 2  # a byte that no row here holds


def check(
    encoded: list[EncodedRow], tokenizer: PreTrainedTokenizerFast, encoder: Encoder, train_on: TrainOn = "answer"
) -> list[Finding]:
    return check_masks(encoded, ROWS, tokenizer=tokenizer, stop_ids=encoder.stop_ids, pad_id=PAD_ID, train_on=train_on)


def encoded_by(name: str, train_on: TrainOn = "answer") -> tuple[list[EncodedRow], PreTrainedTokenizerFast, Encoder]:
    tokenizer = byte_level(name)
    encoder = Encoder(tokenizer, stop_ids=stop_ids(tokenizer, name), train_on=train_on)
    return encoder.encode_all(ROWS), tokenizer, encoder


@pytest.mark.parametrize("name", NAMES)
def test_true_masks_pass(name: str) -> None:
    assert check(*encoded_by(name)) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "thinking"])
def test_true_masks_of_all_answers_pass(name: str) -> None:
    assert check(*encoded_by(name, "assistant"), "assistant") == []


@pytest.mark.parametrize("name", NAMES)
def test_true_masks_of_whole_texts_pass(name: str) -> None:
    assert check(*encoded_by(name, "text"), "text") == []


@pytest.mark.parametrize("name", ["mistral", "default"])
def test_true_masks_pass_where_the_tokenizer_drops_spaces(name: str) -> None:
    tokenizer = sentence_piece(name)
    encoder = Encoder(tokenizer, train_on="assistant")
    assert check(encoder.encode_all(ROWS), tokenizer, encoder, "assistant") == []


def bounds(row: EncodedRow) -> tuple[int, int]:
    places = row.supervised.nonzero().flatten()
    return int(places[0]), int(places[-1])


def marked(row: EncodedRow, begin: int, end: int) -> EncodedRow:
    supervised = torch.zeros_like(row.supervised)
    supervised[begin:end] = True
    return replace(row, supervised=supervised)


def nothing(row: EncodedRow) -> EncodedRow:
    return marked(row, 0, 0)


def only_the_first_token(row: EncodedRow) -> EncodedRow:
    return marked(row, 0, 1)


def shifted_to_the_left(row: EncodedRow) -> EncodedRow:
    return replace(row, supervised=row.supervised.roll(-1))


def shifted_to_the_right(row: EncodedRow) -> EncodedRow:
    begin, end = bounds(row)
    return marked(row, begin + 1, min(end + 2, len(row)))


def beginning_cut(row: EncodedRow) -> EncodedRow:
    begin, end = bounds(row)
    return marked(row, begin + 1, end + 1)


def stop_left_out(row: EncodedRow) -> EncodedRow:
    begin, end = bounds(row)
    return marked(row, begin, end)


def prompt_leaked(row: EncodedRow) -> EncodedRow:
    _, end = bounds(row)
    return marked(row, 1, end + 1)


def end_of_prompt_leaked(row: EncodedRow) -> EncodedRow:
    begin, end = bounds(row)
    return marked(row, begin - 1, end + 1)


def everything(row: EncodedRow) -> EncodedRow:
    return marked(row, 0, len(row))


def prompt_in_place_of_answer(row: EncodedRow) -> EncodedRow:
    return replace(row, supervised=~row.supervised)


def hole_in_the_answer(row: EncodedRow) -> EncodedRow:
    begin, end = bounds(row)
    whole = marked(row, begin, end + 1)
    whole.supervised[begin + 2] = False
    return whole


def pad_supervised(row: EncodedRow) -> EncodedRow:
    pads = torch.full((3,), PAD_ID)
    return replace(row, ids=torch.cat([row.ids, pads]), supervised=torch.cat([row.supervised, pads > 0]))


def begins_twice(row: EncodedRow) -> EncodedRow:
    twice = torch.zeros(2, dtype=torch.int64)  # <s> is token 0
    return replace(row, ids=torch.cat([twice, row.ids]), supervised=torch.cat([twice > 0, row.supervised]))


def another_answer(row: EncodedRow) -> EncodedRow:
    _, end = bounds(row)
    ids = row.ids.clone()
    ids[end - 2 : end] = ids[end - 2 : end].flip(0)
    return replace(row, ids=ids)


MUTATIONS: list[tuple[Callable[[EncodedRow], EncodedRow], set[str]]] = [
    (nothing, {"FT501"}),
    (only_the_first_token, {"FT501"}),
    (shifted_to_the_left, {"FT504"}),
    (shifted_to_the_right, {"FT505"}),
    (beginning_cut, {"FT505"}),
    (stop_left_out, {"FT502"}),
    (prompt_leaked, {"FT504", "FT505"}),
    (end_of_prompt_leaked, {"FT504"}),
    (everything, {"FT504", "FT505"}),
    (prompt_in_place_of_answer, {"FT502", "FT504", "FT505"}),
    (hole_in_the_answer, {"FT504"}),
    (pad_supervised, {"FT503"}),
    (begins_twice, {"FT506"}),
    (another_answer, {"FT505"}),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("mutate", "codes"), MUTATIONS, ids=[mutate.__name__ for mutate, _ in MUTATIONS])
def test_broken_mask_is_caught_and_its_row_named(
    mutate: Callable[[EncodedRow], EncodedRow], codes: set[str], name: str
) -> None:
    encoded, tokenizer, encoder = encoded_by(name)
    for number, row in enumerate(ROWS):
        spoiled = [mutate(one) if one.id == row.id else one for one in encoded]
        found = check(spoiled, tokenizer, encoder)
        assert {finding.code for finding in found} & codes, f"{mutate.__name__} of row {number} isn't seen"
        assert {(finding.where, finding.row_id) for finding in found} == {(row.origin, row.id)}
        assert all(CODES[finding.code].severity == "error" for finding in found)


def preflight(name: str, row: Row, encoded: EncodedRow) -> list[Finding]:
    known, stops = real_templates.tokenizer(name), real_templates.stop_ids(name)
    return check_masks([encoded], [row], tokenizer=known, stop_ids=stops, pad_id=PAD_ID, train_on="answer")


@pytest.mark.parametrize("name", sorted(real_templates.MODELS))
def test_broken_mask_is_caught_on_real_templates(name: str) -> None:
    encoder = Encoder(real_templates.tokenizer(name), stop_ids=real_templates.stop_ids(name))
    thoughts = Message("assistant", "The answer is yes.", reasoning="Let me see.")
    rows = [ROWS[0], ROWS[2], replace(ROWS[0], messages=(*ROWS[2].messages[:3], thoughts))]
    for row in rows:
        try:
            encoded = encoder.encode(row)
        except InputError:
            continue  # what each template can't do is tests/data/test_real_templates's
        assert preflight(name, row, encoded) == []
        for mutate in [mutate for mutate, _ in MUTATIONS if mutate is not begins_twice]:  # its token is <s>
            assert preflight(name, row, mutate(encoded)), f"{mutate.__name__} isn't seen"


def test_stop_token_that_is_no_stop_of_the_model_is_caught() -> None:
    encoded, tokenizer, _ = encoded_by("chatml")
    stops = [tokenizer.eos_token_id]  # the template ends answers with <|im_end|>
    found = check_masks(encoded, ROWS, tokenizer=tokenizer, stop_ids=stops, pad_id=PAD_ID, train_on="answer")
    assert [finding.code for finding in found] == ["FT502"] * 6
    assert found[1].what == "the answer's loss ends with '<|im_end|>', but generation doesn't stop there."


def test_pad_token_that_ends_answers_may_end_them_once() -> None:
    encoded, tokenizer, encoder = encoded_by("default")
    end = int(tokenizer.eos_token_id)
    settings = {"tokenizer": tokenizer, "stop_ids": encoder.stop_ids, "pad_id": end, "train_on": "answer"}
    assert check_masks(encoded, ROWS, **settings) == []  # type: ignore[arg-type]
    padded = [replace(one, ids=torch.cat([one.ids[: bounds(one)[1] + 1], torch.full((2,), end)])) for one in encoded]
    padded = [
        replace(one, supervised=torch.cat([was.supervised[: len(one) - 2], torch.ones(2, dtype=torch.bool)]))
        for one, was in zip(padded, encoded, strict=True)
    ]
    found = check_masks(padded, ROWS, **settings)  # type: ignore[arg-type]
    assert [finding.code for finding in found] == ["FT503", "FT504"] * 3


def test_answer_that_the_template_cuts_is_caught() -> None:
    cutting = byte_level("chatml").chat_template.replace("m['content']", "m['content'][:9]")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level("chatml").backend_tokenizer, eos_token="<|im_end|>", chat_template=cutting
    )
    row = Row(0, "rows.jsonl:1", messages=(Message("user", "What?"), Message("assistant", "ftlabprobe is long.")))
    with pytest.raises(Exception, match="doesn't write the text of an answer"):
        Encoder(tokenizer).encode(row)
    tokenizer.chat_template = cutting.replace("[:9]", "[:12]")
    encoder = Encoder(tokenizer)
    found = check_masks(
        [encoder.encode(row)], [row], tokenizer=tokenizer, stop_ids=encoder.stop_ids, pad_id=PAD_ID, train_on="answer"
    )
    assert [str(finding.what) for finding in found] == [
        "the tokens that carry loss say 'ftlabprobe i', but the answer is 'ftlabprobe is long.'."
    ]


def test_plain_text_is_trained_on_whole() -> None:
    tokenizer = byte_level("default")
    encoder, row = Encoder(tokenizer), Row(0, "text.jsonl:1", text="The answer is yes.")
    settings = {"tokenizer": tokenizer, "stop_ids": encoder.stop_ids, "pad_id": PAD_ID, "train_on": "answer"}
    encoded = encoder.encode(row)
    assert check_masks([encoded], [row], **settings) == []  # type: ignore[arg-type]
    begin_only = marked(encoded, 0, len(encoded) - 2)
    codes = [finding.code for finding in check_masks([begin_only], [row], **settings)]  # type: ignore[arg-type]
    assert codes == ["FT502", "FT505"]


def test_more_rows_than_one_batch_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlab.check.masks._BATCH_ROWS", 2)
    encoded, tokenizer, encoder = encoded_by("chatml")
    assert [finding.row_id for finding in check([nothing(one) for one in encoded], tokenizer, encoder)] == [4, 5, 6]
