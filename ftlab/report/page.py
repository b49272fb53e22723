"""Pages for people: self-contained HTML files that open offline, in light and dark, without scripts.

In: the name of a template and plain values. Out: a file. What stands on a page is the template's to say; all text is
escaped, and a policy in the page's head forbids scripts and everything from outside, so that text out of a data set
is only ever shown.
"""

import os
import re
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Characters that can't be seen, that turn the direction of the text after them, or that no file can hold."""

_QUOTED = re.compile("`([^`]+)`")


def render_page(template: str, *, package: str = "ftlab.report", **values: Any) -> str:
    """Fills a template.

    Args:
        template: Its file name, such as `check.html`.
        package: The package whose folder `template` holds it; those of `ftlab.report` (`base.html`, `parts.html`) are
            there for all.
        **values: What it shows. Text is escaped unless it is `Markup`; characters that can't be seen are spelled out.

    Returns:
        The page.

    Raises:
        jinja2.UndefinedError: The template asks for a value that isn't given.
    """
    loaders = [PackageLoader(name, "template") for name in dict.fromkeys((package, "ftlab.report"))]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "prose": _prose}
    return environment.get_template(template).render(**values)


def write_html(path: Path, page: str) -> None:
    """Writes a page, whole or not at all.

    Args:
        path: The file; folders that are missing are made.
        page: The page.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    temporary.replace(path)


def _visible(value: Any) -> Any:
    """Spells out characters that can't be shown by their numbers, in text and in markup (a plot's names are text)."""
    if isinstance(value, str):
        return type(value)(_UNSHOWN.sub(lambda match: f"\\u{ord(match.group()):04x}", value))
    return value


def _prose(sentence: str) -> Markup:
    """A sentence with what stands between back quotes as code; everything is escaped first."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(_visible(sentence)))))  # noqa: S704


def _count(number: float, name: str = "") -> str:
    """A number with thousands marked, and what it counts: `1 row`, `1,200 rows`."""
    return f"{number:,} {name}{'' if number == 1 else 's'}" if name else f"{number:,}"
