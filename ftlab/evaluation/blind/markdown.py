"""Markdown to markup in which nothing acts: no HTML of the text's own, no links, nothing that is fetched.

In: text that nobody has checked. Out: markup that uses classes only (no styles, no ids, no scripts), which the style
sheet `template/text.css` dresses. What is taken out of action is still shown: the address of a link stands behind its
words, an image as its words and address, a formula that can't be read as its LaTeX.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from ftlab.evaluation.blind.formula import render_formula

MOST_COLOURED_CHARACTERS = 20_000
"""Longer code is shown without colours, which would take long."""

MOST_FORMULA_LINES = 60
"""A formula that isn't closed after so many lines is text: looking on would read a text of openings again for each."""

_BLOCK_OPEN = re.compile(r"\\\[|\\begin\{(equation|align|gather|multline|aligned|cases)\*?\}")


def render_markdown(text: str) -> Markup:
    r"""Renders CommonMark with tables, struck-out text and formulas (`$…$`, `$$…$$`, `\(…\)`, `\[…\]`).

    Args:
        text: Any text.

    Returns:
        Markup that is safe to show.
    """
    return Markup(_parser().render(text))  # noqa: S704


def render_code(code: str, language: str) -> Markup:
    """Colours code.

    Args:
        code: The code; shown exactly as it is.
        language: Its name; an unknown one gives code without colours.

    Returns:
        A `pre` block.
    """
    inside: Markup | str = code
    if len(code) <= MOST_COLOURED_CHARACTERS and language:
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
            inside = Markup(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="hl-")))  # noqa: S704
        except ClassNotFound:
            pass
    return Markup('<pre class="code" tabindex="0"><code>{}</code></pre>\n').format(inside)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True, "maxNesting": 20})
    parser.enable(["table", "strikethrough"])
    # Prices are no formulas: a dollar before a digit or a space doesn't close one.
    parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
    parser.inline.ruler.before("escape", "math_bracket", _bracket_formula)
    parser.block.ruler.before("fence", "math_environment", _formula_lines, {"alt": ["paragraph", "list", "blockquote"]})
    rules = {
        "fence": _fence,
        "code_block": _fence,
        "image": _image,
        "link_open": _link_open,
        "link_close": _link_close,
        "heading_open": _heading,
        "heading_close": _heading,
        "th_open": _cell,
        "td_open": _cell,
        "math_inline": _formula,
        "math_inline_double": _formula,
        "math_block": _formula,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _bracket_formula(state: StateInline, silent: bool) -> bool:
    r"""Reads `\(…\)` and `\[…\]` inside a paragraph."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ("\\(", "\\["):
        return False
    closing = "\\)" if opening == "\\(" else "\\]"
    # Looked for once a paragraph and kind: a text of openings alone would else be read again for each.
    last = state.env.setdefault(f"{closing} {state.src}", state.src.rfind(closing))
    if last < state.pos + 2:
        return False
    end = state.src.index(closing, state.pos + 2)
    content = state.src[state.pos + 2 : end]
    if not content.strip():
        return False
    if not silent:
        token = state.push("math_inline" if opening == "\\(" else "math_inline_double", "math", 0)
        token.content, token.markup = content, opening
    state.pos = end + 2
    return True


def _formula_lines(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    r"""Reads `\[…\]` and `\begin{align}…\end{align}` on lines of their own, which no list or heading then breaks."""
    if state.is_code_block(first):
        return False
    start = state.bMarks[first] + state.tShift[first]
    opening = _BLOCK_OPEN.match(state.src, start, state.eMarks[first])
    if not opening:
        return False
    closing = "\\]" if opening.group() == "\\[" else opening.group().replace("begin", "end")
    for last in range(first, min(end, first + MOST_FORMULA_LINES)):
        line = state.src[max(start, state.bMarks[last]) : state.eMarks[last]].strip()
        if closing in line or not line:
            break
    if not line.endswith(closing):
        return False
    if silent:
        return True
    content = state.getLines(first, last + 1, state.blkIndent, False).strip()
    bracket = opening.group() == "\\["
    token = state.push("math_block", "math", 0)
    token.block, token.content = True, content[2:-2] if bracket else content
    token.markup, token.map = "\\[" if bracket else "", [first, last + 1]
    state.line = last + 1
    return True


def _formula(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    block = token.type != "math_inline"
    drawn = render_formula(token.content.strip(), block=block)
    if drawn is None:
        closing = {"\\(": "\\)", "\\[": "\\]"}.get(token.markup, token.markup)
        drawn = Markup('<code class="unread">{}</code>').format(token.markup + token.content + closing)
    tag = "div" if token.type == "math_block" else "span"
    return str(Markup('<{0} class="{1}">{2}</{0}>').format(tag, "formula block" if block else "formula", drawn))


def _fence(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    name = token.info.strip()
    shown = Markup('<div class="language">{}</div>').format(name) if name else Markup("")
    return str(shown + render_code(token.content, name.split(maxsplit=1)[0] if name else ""))


def _image(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    return str(Markup('<span class="address">![{}]({})</span>').format(token.content, _address(token, "src")))


def _link_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<span class="link">'


def _link_close(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    opening = next(tokens[place] for place in range(index, -1, -1) if tokens[place].type == "link_open")
    if opening.markup == "autolink":
        return "</span>"
    return str(Markup('</span> <span class="address">({})</span>').format(_address(opening, "href")))


def _address(token: Token, name: str) -> str:
    title = f' "{token.attrs["title"]}"' if token.attrs.get("title") else ""
    return f"{token.attrs[name]}{title}"


def _heading(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A heading of the answer, below those of the page."""
    token = tokens[index]
    level = int(token.tag[1:])
    return f'<h{min(level + 3, 6)} class="level-{level}">' if token.nesting == 1 else f"</h{min(level + 3, 6)}>\n"


def _cell(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    side = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return str(Markup('<{} class="{}">').format(token.tag, escape(side or "left")))
