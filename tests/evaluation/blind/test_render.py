"""Questions and answers are shown well, whole, and can do nothing."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.formula import render_formula
from ftlab.evaluation.blind.markdown import render_markdown
from ftlab.evaluation.blind.render import MOST_RENDERED_CHARACTERS, as_given, lay_out_json, render_text
from tests.reference.blind_sheets import HOSTILE
from tests.reference.markup import Markup

HARMLESS = {
    "p", "br", "em", "strong", "s", "ul", "ol", "li", "blockquote", "hr", "pre", "code", "span", "div", "table",
    "thead", "tbody", "tr", "th", "td", "h4", "h5", "h6", "math", "mrow", "mi", "mn", "mo", "mtext", "mspace",
    "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr",
    "mtd", "mstyle", "mpadded", "menclose", "mmultiscripts", "mprescripts", "none", "merror", "ms",
}  # fmt: skip
DRAWN = {
    "class", "tabindex", "start", "display", "displaystyle", "scriptlevel", "stretchy", "fence", "form", "separator",
    "largeop", "movablelimits", "accent", "accentunder", "linethickness", "columnalign", "rowlines", "columnlines",
    "notation", "mathvariant", "minsize", "maxsize", "width", "lspace", "rspace",
}  # fmt: skip


def _harmless(markup: str) -> Markup:
    reader = Markup(markup)
    assert reader.elements <= HARMLESS
    assert reader.attributes <= DRAWN
    return reader


def test_hostile_text_becomes_harmless_markup_and_stays_readable() -> None:
    shown = _harmless(render_text(HOSTILE)).text
    for said in (
        "<script>window.hit = 1</script>",
        "javascript:window.hit=3",
        "https://evil.invalid/track.png",
        "W" * 5_000,
    ):
        assert said in shown
    assert _harmless(as_given(HOSTILE)).text.count("<script>") == HOSTILE.count("<script>")


@given(st.text(alphabet=st.sampled_from("ab1 \n\\<>&\"'`~*_#[]()!|$-{}:/=^\x00\u202e\ud800中"), max_size=120))
def test_any_text_becomes_harmless_markup(text: str) -> None:
    _harmless(render_text(text))
    _harmless(as_given(text))


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("**a** *b* ~~c~~", "<strong>a</strong> <em>b</em> <s>c</s>"),
        ("# Title", '<h4 class="level-1">Title</h4>'),
        ("one\ntwo", "one<br />\ntwo"),
        ("|a|b|\n|-|-:|\n|1|2|", '<td class="right">2</td>'),
        ("```python\nx = 1\n```", '<span class="hl-mi">1</span>'),
        ("```nosuch\n<b>\n```", "<code>&lt;b&gt;\n</code>"),
        ("[words](https://a.example/b)", '<span class="link">words</span> <span class="address">(https://a.example/b)</span>'),
        ("costs $5, not $10", "costs $5, not $10"),
    ],
)  # fmt: skip
def test_markdown_is_laid_out(text: str, markup: str) -> None:
    assert markup in render_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "$a^2$",
        r"\(a^2\)",
        "x $$a^2$$ y",
        "$$\na^2\n$$",
        "\\[\na^2\n+ b\n\\]",
        r"\begin{align}a^2\end{align}",
        "- item\n\n  \\[ a^2 \\]",
    ],
)
def test_formulas_between_all_usual_delimiters_are_drawn(text: str) -> None:
    shown = render_text(text)
    assert "<msup><mi>a</mi><mn>2</mn></msup>" in shown
    assert "\\" not in shown
    assert "$" not in shown


@pytest.mark.parametrize(
    "latex",
    [
        r"\frac{",
        r"\begin{x}",
        r"\href{javascript:alert(1)}{x}",
        r"\newcommand{\a}{\b\b} \a",
        r"\def\a{\a\a} \a",
        r"\rule{900em}{900em}",
        r"\phantom{hidden}",
        r"\color{white}{hidden}",
        "{" * 2_000 + "}" * 2_000,
        "x" * 5_000,
    ],
)
def test_a_formula_that_is_broken_or_would_act_is_shown_as_text(latex: str) -> None:
    assert render_formula(latex, block=False) is None
    assert Markup(render_text(f"${latex}$")).text.strip() == f"${latex}$"


def test_letters_that_browsers_do_not_draw_are_written_as_characters() -> None:
    assert "<mi>ℝ</mi>" in str(render_formula(r"\mathbb{R}", block=False)).replace(' mathvariant="double-struck"', "")
    assert "𝔤" in str(render_formula(r"\mathfrak{g}", block=False))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "aU+202Eb"),
        ("a\x00b\x1b", "aU+0000bU+001B"),
        ("\ud800", "U+D800"),
        ("pass\u200bword", "passU+200Bword"),
        ("\U000e0041", "U+E0041"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_characters_that_cannot_be_seen_are_spelled_out(text: str, shown: str) -> None:
    assert Markup(render_text(text)).text.strip() == shown
    assert Markup(as_given(text)).text == shown


def test_valid_json_is_laid_out_and_keeps_every_token() -> None:
    text = '{"a": 1.0, "a": 1e2, "b": ["\\u00e9 , {", [], {}], "c": null}'
    laid_out = lay_out_json(text)
    assert laid_out is not None
    assert '"a": 1.0,\n  "a": 1e2,\n  "b": [\n    "\\u00e9 , {",\n    [],\n    {}\n  ],' in laid_out
    assert json.loads(laid_out) == json.loads(text)
    assert '<span class="hl-mf">1.0</span>' in render_text(f"\n{text}\n")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_laid_out_json_says_the_same(value: object) -> None:
    laid_out = lay_out_json(json.dumps(value))
    assert laid_out is not None
    assert json.loads(laid_out) == value
    assert laid_out == json.dumps(value, indent=2)


@pytest.mark.parametrize("text", ['{"a": 1,}', "{'a': 1}", '{"a": NaN}', "[1, 2", "[" * 60 + "]" * 60])
def test_text_that_only_looks_like_json_is_shown_as_given(text: str) -> None:
    assert lay_out_json(text) is None
    assert Markup(render_text(text)).text.strip() == text


def test_long_text_is_shown_whole() -> None:
    text = "*word* " * MOST_RENDERED_CHARACTERS
    assert Markup(render_text(text)).text == text


@pytest.mark.parametrize(
    "text",
    ["[", "*a_ ", "`a``", "$a ", "$$", "\\(", "\\[\n", ">", "- ", "![](", "a|b\n", "\\begin{align}\n", "<", "&", "{"],
)
def test_text_made_to_be_slow_is_not(text: str) -> None:
    started = time.process_time()
    render_markdown(text * (10_000 // len(text)))
    assert time.process_time() - started < 2
