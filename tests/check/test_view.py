"""The coloured view of rows: what carries loss can be told apart, and nothing that a row holds takes effect."""

import re
from html import unescape
from io import StringIO

import pytest
from rich.console import Console

from ftlab.check.view import ColouredRow, coloured_rows, telling_rows
from ftlab.data.chat import Encoder
from ftlab.data.row import Message, Row
from tests.data.chat_templates import byte_level, stop_ids

TOKENIZER = byte_level("chatml")


def shown(question: str, answer: str, **settings: int) -> ColouredRow:
    row = Row(0, "rows.jsonl:1", messages=(Message("user", question), Message("assistant", answer)))
    encoded = Encoder(TOKENIZER, stop_ids=stop_ids(TOKENIZER, "chatml")).encode(row)
    return coloured_rows([encoded], [row.origin], tokenizer=TOKENIZER, **settings)[0]


def printed(text: object, *, colour: bool) -> str:
    console = Console(file=StringIO(), width=200, color_system="standard" if colour else None, force_terminal=colour)
    console.print(text)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_supervised_tokens_stand_in_brackets_without_colour() -> None:
    assert printed(shown("What?", "Köln\nyes").text(), colour=False) == (
        "rows.jsonl:1: 48 tokens, 6 of them carry loss\n"
        "<|im_start|>system↵\nYou are helpful.<|im_end|>↵\n"
        "<|im_start|>user↵\nWhat?<|im_end|>↵\n"
        "<|im_start|>assistant↵\n⟦Köln↵\nyes<|im_end|>⟧↵\n\n"
    )


def test_supervised_tokens_are_green_and_masked_ones_grey() -> None:
    text = printed(shown("What?", "yes").text(), colour=True)
    assert re.search(r"\x1b\[32myes\x1b\[0m\x1b\[1;32m<\|im_end\|>", text)
    assert "\x1b[90mWhat?\x1b[0m" in text


def test_html_marks_each_stretch_and_escapes_its_text() -> None:
    html = shown("<script>alert('x')</script>", "a & <b>").html()
    assert "<script" not in html
    assert '<span class="supervised">a &amp; &lt;b&gt;</span><span class="supervised special">&lt;|im_end|&gt;' in html
    assert '<span class="masked">user↵\n&lt;script&gt;alert(' in html
    spoken = "".join(unescape(text) for text in re.findall(r'<span class="supervised[^"]*">(.*?)</span>', html))
    assert spoken == "a & <b><|im_end|>"


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "\u202edlroW", "a\x00b", "\x9b2J", "\r"])
def test_control_characters_of_a_row_are_spelled_out(hostile: str) -> None:
    row = shown(hostile, "yes")
    for text in (printed(row.text(), colour=False), row.html()):
        assert not [char for char in text if not char.isprintable() and char != "\n"]
        assert hostile.encode("unicode_escape").decode() in text


def test_middle_of_a_long_row_is_left_out_with_its_count() -> None:
    whole, cut = shown("no " * 300, "yes " * 300), shown("no " * 300, "yes " * 300, shown_tokens=21)
    gaps = [(stretch.text, stretch.supervised) for stretch in cut.stretches if stretch.kind == "gap"]
    tokens = int(re.search(r": ([\d,]+) tokens", whole.title).group(1).replace(",", ""))  # type: ignore[union-attr]
    counts = [int(text.strip("\n… tokens").replace(",", "")) for text, _ in gaps]
    assert [supervised for _, supervised in gaps] == [False, True]
    assert sum(counts) == tokens - 15, "7 of the question, 7 of the answer, and the line break behind"
    assert "nt↵\n⟦yes" in cut.text().plain
    assert "<|im_end|>⟧" in cut.text().plain
    short = shown("no", "yes")
    assert not [stretch for stretch in short.stretches if stretch.kind == "gap"]


def test_shortest_median_and_longest_row_are_picked() -> None:
    assert telling_rows([5, 1, 9, 3, 7]) == [1, 0, 2]
    assert telling_rows([4, 2]) == [1, 0]
    assert telling_rows([4]) == [0]
    assert telling_rows([]) == []
