"""Markers of chat templates are found in text; HTML, code and prose about them are left alone."""

import pytest

from ftlab.check.residue import mend_residue, residue

FOUND = (
    ("<|im_start|>user\nHi", "<|im_start|>"),
    ("Fine.<|eot_id|>", "<|eot_id|>"),
    ("Fine.</s>", "</s>"),
    ("<s>Fine.", "<s>"),
    ("<s>[INST] Hi [/INST] Fine.</s>", "<s>"),
    ("<s>Fine.</s>", "<s>"),
    ("Hi [/INST] there", "[/INST]"),
    ("<<SYS>>\nBe kind", "<<SYS>>"),
    ("### Response:\nFine.", "### Response:"),
    ("Hi\n### Instruction: say more", "### Instruction:"),
    ("<start_of_turn>model", "<start_of_turn>"),
    ("<｜User｜>你好", "<｜User｜>"),
    ("Fine.<|endoftext|>", "<|endoftext|>"),
    ("USER: Hi\nASSISTANT: Fine.", "USER:"),
    ("<|reserved_special_token_12|>", "<|reserved_special_token_12|>"),
)
LEFT_ALONE = (
    "The shop sells <s>old</s> new coats.",
    "<s>10 euros</s> 8 euros</s",
    "Use `<|im_start|>` before each turn.",
    "```\n<|im_start|>user\n```\nis ChatML.",
    "F#: x <| f and f |> x; Rust: |x| x + 1",
    "arr[INST_COUNT] = [1, 2]",
    "### Answer\nIt is 4.",
    "## Instructions\n1. Open the box.",
    "User: the person who pays. Assistant: the clerk.",
    "if a < s > b then [x]",
    "你好：请用中文回答。",
    '{"user": "x", "system": "y"}',
    "<p>text</p> <br/> <system>be kind</system>",
)


@pytest.mark.parametrize(("text", "marker"), FOUND)
def test_markers_are_found(text: str, marker: str) -> None:
    assert residue(text) == marker


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_text_that_only_looks_like_markers_is_left_alone(text: str) -> None:
    assert residue(text) is None
    assert mend_residue(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Fine.<|eot_id|>", "Fine."),
        ("<s>[INST] Hi [/INST]", "Hi"),
        ("Fine.</s>\n", "Fine."),
        ("one <|im_end|> two<|im_end|>", "one <|im_end|> two"),
    ],
)
def test_markers_at_the_ends_are_taken_off(text: str, mended: str) -> None:
    assert mend_residue(text) == mended
