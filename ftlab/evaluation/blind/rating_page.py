"""The page on which a rater rates: the same for the server and for the file that works without one.

In: a `Sheet` and the votes that are there. Out: HTML. The questions and answers stand in the page as markup that can do
nothing (`render`); style and script are two files, served beside the page or written into it.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from markupsafe import Markup

from ftlab.evaluation.blind.render import as_given, render_text
from ftlab.evaluation.blind.sheet import FILE_KIND, MOST_COMMENT_CHARACTERS, SIDES, Rating, Sheet
from ftlab.evaluation.blind.words import WORDS, Language
from ftlab.report.page import render_page

PACKAGE = "ftlab.evaluation.blind"

MARK_KEYS = {"terminology": "qw", "reasoning": "as", "format": "zx"}
"""For each criterion the keys that mark the left and the right answer: they lie as the marks do on the page."""


def render_sheet(
    sheet: Sheet, votes: Mapping[str, Rating], *, language: Language, form: str = "", offline: bool = False
) -> str:
    """Writes a rater's page.

    Args:
        sheet: What the rater is asked.
        votes: What this rater said before, by item.
        language: In which language the page begins; it can be switched.
        form: What the page sends along with each vote.
        offline: Whether the page is whole in one file, and keeps the votes itself.

    Returns:
        HTML.
    """
    keys = {criterion: dict(zip(SIDES, MARK_KEYS[criterion], strict=True)) for criterion in sheet.criteria}
    data = {
        "test": sheet.test,
        "rater": sheet.rater,
        "items": [item.id for item in sheet.items],
        "criteria": sheet.criteria,
        "votes": {item: vote_of(rating) for item, rating in votes.items()},
        "words": WORDS,
        "language": language,
        "keys": keys,
        "most": MOST_COMMENT_CHARACTERS,
        "form": form,
        "offline": offline,
        "kind": FILE_KIND,
        "file": f"ratings-{sheet.rater}.json",
    }
    items = [
        {name: _shown(getattr(item, name)) for name in ("question", "left", "right")} | {"id": item.id}
        for item in sheet.items
    ]
    return render_page(
        "rate.html",
        package=PACKAGE,
        sheet=sheet,
        items=items,
        data=data,
        words=WORDS[language],
        language=language,
        mark_keys=keys,
        all_mark_keys=" ".join(key.upper() for sides in keys.values() for key in sides.values()),
        offline=offline,
        policy=_offline_policy() if offline else "",
        style=Markup(style()) if offline else "",  # noqa: S704
        script=Markup(script()) if offline else "",  # noqa: S704
    )


def vote_of(rating: Rating) -> dict[str, Any]:
    """Returns what a page needs of a vote: what was said, not who said it or when."""
    value = rating.to_dict()
    return {name: value[name] for name in ("choice", "marks", "comment")}


@cache
def style() -> str:
    """The page's style sheet."""
    return _file("text.css") + _file("rate.css")


@cache
def script() -> str:
    """The page's script."""
    return _file("rate.js")


def _file(name: str) -> str:
    return resources.files(PACKAGE).joinpath("template", name).read_text(encoding="utf-8")


def _shown(text: str) -> dict[str, Any]:
    return {"text": text, "laid_out": render_text(text), "plain": as_given(text)}


def _offline_policy() -> str:
    """Allows this page's own script and style, known by their hashes, and nothing from anywhere."""
    return (
        f"default-src 'none'; script-src {_hash(script())}; style-src {_hash(style())}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
