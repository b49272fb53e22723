"""The page of a check says what the report says, needs nothing from outside, and obeys no row."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ftlab.check.page import write_page
from ftlab.check.report import CheckReport
from tests.reference.made_report import HOSTILE, made_report, made_tokens


class _Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def _page(folder: Path, report: CheckReport) -> _Page:
    write_page(report, folder / "check.html")
    return _Page((folder / "check.html").read_text(encoding="utf-8"))


def test_every_part_of_the_report_stands_on_the_page(tmp_path: Path) -> None:
    report = made_report()
    page = _page(tmp_path, report)
    words = " ".join(page.words.split())
    for group in report.groups:
        assert group.code in words
        for finding in group.first:
            assert finding.where in words
            assert finding.what.replace("`", "") in words
    for said in (
        "These rows can't be trained on as they are.", "3 errors", "124 warnings", "6 silenced", "8,092", "rows read",
        "and 40 more", "FT103 15, FT201 41, FT211 2",
        "512", "633", "limit 512", "rows over the limit", "696", "57.3 %", "98.6 %",
        "173 forward passes an epoch padded",
        "Cuts 380 tokens", "instruction is question", "It costs 9 euros", "runs/check.json",
        "420 of 8092 rows are held out",
    ):  # fmt: skip
        assert said in words, said


def test_the_page_needs_no_script_and_nothing_from_outside(tmp_path: Path) -> None:
    page = _page(tmp_path, made_report())
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img", "object"}
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(link and link.startswith("#") for link in links)
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in page.tags)
    assert "url(" not in (tmp_path / "check.html").read_text()


def test_hostile_text_of_a_row_is_shown_as_text(tmp_path: Path) -> None:
    plain, hostile = _page(tmp_path, made_report(what="plain")), _page(tmp_path, made_report(what=HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert "<script>alert(1)</script>\\u202e<img src=x onerror=alert(2)>{{ 7*7 }}\\u0000\\ud800" in hostile.words


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    report = replace(
        made_report(), sources=(HOSTILE,), columns={"output": HOSTILE}, notes=(HOSTILE,), written={"page": HOSTILE}
    )
    assert not {tag for tag, _ in _page(tmp_path, report).tags} & {"script", "img"}


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("clean", "Nothing stands against training on these rows."),
        ("warnings", "Training can start; look at the warnings first."),
    ],
)
def test_the_verdict_is_said_in_plain_words(tmp_path: Path, outcome: str, sentence: str) -> None:
    page = _page(tmp_path, replace(made_report(), outcome=outcome, groups=()))  # type: ignore[arg-type]
    assert sentence in page.words
    assert "no findings" in page.words
    assert "No row and no question of the held-out splits was found in the training rows." in page.words


def test_a_report_without_tokens_rows_or_limit_is_drawn(tmp_path: Path) -> None:
    report = replace(made_report(), tokens=None, view="", accounts=(), groups=(), notes=(), written={}, columns={})
    assert "couldn't be turned into tokens" in _page(tmp_path, report).words
    assert "none" in _page(tmp_path, replace(made_report(), tokens=made_tokens(limit_tokens=None))).words


def test_both_colour_schemes_are_drawn_and_each_colour_is_defined(tmp_path: Path) -> None:
    write_page(made_report(), tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    light, dark = page.split("@media (prefers-color-scheme: dark)")
    named = set(re.findall(r"var\((--[\w-]+)\)", page))
    assert named == set(re.findall(r"(--[\w-]+):", light))
    assert named == set(re.findall(r"(--[\w-]+):", dark))
