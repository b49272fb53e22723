"""How close answers come to their references: exact, contained, ROUGE-L and BLEU, in any language and offline.

torchmetrics computes ROUGE and BLEU; what a token is, is said here, because its own rules drop every letter outside
a–z. Words count where a script parts them by spaces, single signs where it doesn't (Chinese, Japanese, Thai, …).

References: Lin 2004 (ROUGE-L); Papineni et al. 2002 (BLEU); Lin and Och 2004 (its smoothing by one).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from torchmetrics.functional.text import bleu_score, rouge_score

from ftlab.evaluation.forgetting import is_right

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # Japanese kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_MARKS = (  # belong to the letter before them, but are none to `\w`
    "\u0300-\u036f"  # accents
    "\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"  # Hebrew and Arabic vowels
    "\u0900-\u0963\u0966-\u0dff"  # Devanagari to Sinhala, but for the marks that end a sentence
)
_TOKEN = re.compile(rf"[{_UNSPACED}]|(?:[^\W{_UNSPACED}]|[{_MARKS}])+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Closeness:
    """How close answers come to their references, each from 0 to 1.

    Attributes:
        exact: Share of the answers that are the reference, but for spacing and Unicode form.
        contains: Share of the answers in which the reference's words stand one after the other, but for case, too.
        rouge_l: Mean F1 of the longest common subsequence of tokens, without case.
        bleu: BLEU of the whole set, up to four tokens in a row, smoothed by one; 0 where nothing of four agrees.
    """

    exact: float
    contains: float
    rouge_l: float
    bleu: float


def closeness(answers: Sequence[str], references: Sequence[str]) -> Closeness:
    """Compares answers with their references.

    Args:
        answers: What the model wrote.
        references: What the rows hold, in the same order; none of them empty.

    Returns:
        The four figures.

    Raises:
        ValueError: There is no answer, or there are more or fewer answers than references.
    """
    if not answers or len(answers) != len(references):
        raise ValueError(
            f"`answers` must be as many as `references`, at least one, but there are {len(answers)} and "
            f"{len(references)}."
        )
    pairs = [(_plain(answer), _plain(reference)) for answer, reference in zip(answers, references, strict=True)]
    said, wanted = ([" ".join(tokens(text)) for text in side] for side in zip(*pairs, strict=True))
    rouge = rouge_score(
        said, wanted, rouge_keys="rougeL", normalizer=str.casefold, tokenizer=str.split, accumulate="best"
    )
    return Closeness(
        exact=sum(answer == reference for answer, reference in pairs) / len(pairs),
        contains=sum(is_right(answer, reference, "contains") for answer, reference in pairs) / len(pairs),
        rouge_l=float(rouge["rougeL_fmeasure"]),
        bleu=float(bleu_score(said, [[text] for text in wanted], smooth=True)) if any(said) else 0.0,
    )


def tokens(text: str) -> list[str]:
    """Cuts a text into words, signs of scripts without spaces, and marks.

    >>> tokens("Die Gebühr: 4,50 €.")
    ['Die', 'Gebühr', ':', '4', ',', '50', '€', '.']
    >>> tokens("年费是300元。")
    ['年', '费', '是', '300', '元', '。']
    >>> tokens("शुल्क 300 है।")
    ['शुल्क', '300', 'है', '।']

    Args:
        text: Any text.

    Returns:
        Its tokens in order.
    """
    return _TOKEN.findall(text)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
