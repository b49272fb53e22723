"""Formulas in an answer: LaTeX to MathML, which browsers draw without a script.

In: LaTeX that nobody has checked. Out: markup.

`latex2mathml` builds the tree; its own text form lets tags and links of the input through, so the tree is written here,
by lists of what may stand in it; anything else, and the formula isn't drawn.
"""

import re
import unicodedata
from html import unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter
from markupsafe import Markup, escape

MOST_CHARACTERS = 4_000
"""Longer formulas are shown as text: nobody reads them, and they take long."""

_ELEMENTS = frozenset({
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup",
    "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd", "mstyle",
    "mpadded", "menclose", "merror", "ms",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "display", "displaystyle", "scriptlevel", "stretchy", "fence", "form", "separator", "largeop", "movablelimits",
    "accent", "accentunder", "linethickness", "columnalign", "rowlines", "columnlines", "notation", "mathvariant",
    "minsize", "maxsize", "width", "lspace", "rspace",
})  # fmt: skip
_IGNORED = frozenset(
    {"xmlns", "height", "depth", "voffset", "mathsize", "mathbackground", "rowspacing", "columnspacing"}
)
"""What only dresses a formula, and is left out."""

_VALUE = re.compile(r"[a-z -]{1,40}|[+-]?(\d|\d?\.\d{1,4})(em|ex|px|pt|%)?")
"""Words, and lengths below 10: enough for spaces, too little to cover anything."""

_MACROS = re.compile(r"\\(re|provide)?(new)?(command|environment)\b|\\[egx]?def\b|\\let\b|\\DeclareMathOperator")
"""Definitions could grow without bound when they are used."""

_ALIGNED = re.compile(r"\\(begin|end)\{(aligned|align|gathered|gather|multline)\*?\}")
_EQUATION = re.compile(r"\\(begin|end)\{equation\*?\}")

_LETTERS = {
    "double-struck": ("MATHEMATICAL DOUBLE-STRUCK", "DOUBLE-STRUCK"),
    "script": ("MATHEMATICAL SCRIPT", "SCRIPT"),
    "fraktur": ("MATHEMATICAL FRAKTUR", "BLACK-LETTER"),
}
"""Unicode's names of letters that browsers no longer make of `mathvariant`."""


def render_formula(latex: str, *, block: bool) -> Markup | None:
    """Draws a formula.

    Args:
        latex: What stands between the delimiters.
        block: Whether it stands on lines of its own.

    Returns:
        MathML; None where the formula can't be read, is too long, defines commands, or would hide, link or cover
        something, and is best shown as text.
    """
    if len(latex) > MOST_CHARACTERS or _MACROS.search(latex):
        return None
    try:
        # The converter knows one environment of aligned lines that doesn't number them.
        known = _EQUATION.sub("", _ALIGNED.sub(r"\\\1{split}", latex))
        return _write(Converter(display="block" if block else "inline").convert_to_element(known))
    except Exception:
        # The converter has errors of its own, and raises KeyError, IndexError and RecursionError besides.
        return None


def _write(element: Element) -> Markup:
    inside = Markup("").join([_text(element), *(_write(child) for child in element)])
    given = {name: value for name, value in element.attrib.items() if name not in _IGNORED}
    if (
        element.tag not in _ELEMENTS
        or not given.keys() <= _ATTRIBUTES
        or not all(map(_VALUE.fullmatch, given.values()))
    ):
        raise ValueError(f"{element.tag} {given}")
    attributes = Markup("").join(Markup(' {}="{}"').format(name, value) for name, value in given.items())
    return Markup("<{0}{1}>{2}</{0}>").format(element.tag, attributes, inside)


def _text(element: Element) -> Markup:
    """What an element says; the converter writes characters as references."""
    text = unescape(element.text or "")
    names = _LETTERS.get(element.attrib.get("mathvariant", ""))
    return escape("".join(_letter(character, names) for character in text) if names else text)


def _letter(character: str, names: tuple[str, str]) -> str:
    if not (character.isascii() and character.isalpha()):
        return character
    case = "CAPITAL" if character.isupper() else "SMALL"
    for name in names:
        try:
            return unicodedata.lookup(f"{name} {case} {character.upper()}")
        except KeyError:
            continue
    return character
