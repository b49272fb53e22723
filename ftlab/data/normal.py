"""Text without the differences that don't make two rows different: what duplicates and splits go by."""

import unicodedata


def normal(text: str) -> str:
    r"""Takes out what doesn't make two texts different.

    Unicode compatibility forms become the plain ones (NFKC: full-width letters, ligatures, composed accents), case is
    folded, and every run of white space becomes one space, with none at the ends. Punctuation and digits stay.

    >>> normal("  Ｗｈａｔ is\n\tCOMPOUND interest？ ")
    'what is compound interest?'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
