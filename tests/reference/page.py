"""Takes a page apart for tests: its tags and its words."""

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text with single spaces."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.source = file.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words = ""
        self.feed(self.source)

    @property
    def words(self) -> str:
        return " ".join(self._words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self._words += " "

    def handle_data(self, data: str) -> None:
        self._words += data


def assert_self_contained(page: Page) -> None:
    """No script, nothing from outside, and a policy that forbids both."""
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img", "object", "form"}
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(link and link.startswith("#") for link in links)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in page.tags)
    assert "url(" not in page.source
