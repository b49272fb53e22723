"""Pages are whole in one file, and show text as text."""

from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

from ftlab.report.page import render_page, write_html


def _filled(monkeypatch: pytest.MonkeyPatch, template: str, **values: object) -> str:
    monkeypatch.setattr("ftlab.report.page.PackageLoader", lambda *_: jinja2.DictLoader({"it.html": template}))
    return render_page("it.html", **values)


def test_text_is_escaped_and_markup_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _filled(monkeypatch, "{{ a }}{{ b }}", a="<b>&", b=Markup("<i>")) == "&lt;b&gt;&amp;<i>"


def test_characters_that_cannot_be_seen_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _filled(monkeypatch, "{{ a }}", a="a\u202eb\x00\ud800\n中") == "a\\u202eb\\u0000\\ud800\n中"


def test_back_quotes_become_code_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    page = _filled(monkeypatch, "{{ a | prose }}", a="set `a<b` or <i>`")
    assert page == "set <code>a&lt;b</code> or &lt;i&gt;`"


def test_a_value_that_is_not_given_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'missing' is undefined"):
        _filled(monkeypatch, "{{ missing }}")


def test_counts_have_their_thousands_and_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        _filled(monkeypatch, "{{ 1|count('row') }}, {{ 1200|count('row') }}, {{ 3|count }}") == "1 row, 1,200 rows, 3"
    )


def test_a_page_is_written_into_folders_that_are_missing(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "it.html"
    write_html(file, "<p>中 \ud800</p>")
    assert file.read_text(encoding="utf-8") == "<p>中 \\ud800</p>"
    assert [path.name for path in file.parent.iterdir()] == ["it.html"]
