"""The server takes votes from its own pages and from nobody else, and tells nothing."""

import ast
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ftlab.evaluation.blind.rating_page import render_sheet, script, style
from ftlab.evaluation.blind.server import create_app, rater_links, serve
from ftlab.evaluation.blind.sheet import Sheet, open_marks
from ftlab.evaluation.blind.store import Rater, RatingStore
from ftlab.evaluation.blind.words import LANGUAGES, WORDS
from ftlab.problem import InputError
from tests.reference.blind_sheets import hostile_sheet, short_sheet
from tests.reference.markup import Markup

ROOT = Path(__file__).parents[3]
PORT = 8421
ORIGIN = f"http://127.0.0.1:{PORT}"


class Site:
    """The application with two raters, and requests as their pages send them."""

    def __init__(self, folder: Path, **sheets: Sheet) -> None:
        self.sheets = sheets or {"anna": short_sheet("anna"), "ben": short_sheet("ben")}
        self.store = RatingStore(folder / "ratings.sqlite")
        self.raters = {rater.name: rater for rater in self.store.raters(list(self.sheets))}
        app = create_app(self.sheets.__getitem__, list(self.raters.values()), self.store)
        self.client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)

    def path(self, action: str = "", rater: str = "anna") -> str:
        return f"/rate/{self.raters[rater].token}{action}"

    def headers(self, rater: str = "anna", **changes: str | None) -> dict[str, str]:
        given = {"Origin": ORIGIN, "X-Form-Token": self.raters[rater].form} | {
            name.replace("_", "-"): value for name, value in changes.items()
        }
        return {name: value for name, value in given.items() if value is not None}

    def vote(self, item: str = "i-01", choice: str = "left", *, rater: str = "anna", **extra: Any) -> Any:
        body = {"test": self.sheets[rater].test, "item": item, "choice": choice, "marks": open_marks(), "comment": ""}
        return self.client.post(self.path("/vote", rater), json=body | extra, headers=self.headers(rater))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_vote_is_kept_for_the_rater_of_the_link(site: Site) -> None:
    answer = site.vote("i-07", "tie", rater="ben", comment="中")
    assert (answer.status_code, answer.json()) == (200, {"done": 1})
    (rating,) = site.store.all()
    assert (rating.rater, rating.item, rating.choice, rating.comment) == ("ben", "i-07", "tie", "中")


def test_a_vote_sent_twice_is_one_vote(site: Site) -> None:
    assert site.vote().json() == site.vote().json() == {"done": 1}
    undone = site.client.post(site.path("/undo"), json={}, headers=site.headers())
    assert undone.json() == {"item": "i-01", "vote": None}
    assert site.store.all() == []


def test_undo_gives_the_vote_that_stands_again(site: Site) -> None:
    site.vote(choice="left")
    site.vote(choice="right")
    undone = site.client.post(site.path("/undo"), json={}, headers=site.headers()).json()
    assert undone["vote"] == {"choice": "left", "marks": open_marks(), "comment": ""}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.:1", "192.168.0.5:8421", "127.0.0.1@e"]
)
def test_a_foreign_host_gets_nothing(site: Site, host: str) -> None:
    answer = site.client.get(site.path(), headers={"Host": host})
    assert answer.status_code == 421
    assert "Question" not in answer.text


@pytest.mark.parametrize("host", ["localhost:9999", "[::1]:8421", "127.0.0.1"])
def test_loopback_hosts_are_answered_on_any_port(site: Site, host: str) -> None:
    assert site.client.get(site.path(), headers={"Host": host}).status_code == 200


FOREIGN = [
    None,
    "null",
    "http://evil.example",
    f"https://127.0.0.1:{PORT}",
    "http://127.0.0.1:1",
    "http://localhost:8421",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("action", ["/vote", "/undo"])
def test_a_foreign_origin_cannot_vote_or_undo(site: Site, origin: str | None, action: str) -> None:
    site.vote("i-02")
    body = {"test": "t-short", "item": "i-01", "choice": "left", "marks": open_marks(), "comment": ""}
    answer = site.client.post(site.path(action), json=body, headers=site.headers(Origin=origin))
    assert (answer.status_code, answer.json()) == (403, {"message": "only this server's own pages may send votes"})
    assert [rating.item for rating in site.store.all()] == ["i-02"]


@pytest.mark.parametrize("form", [None, "", "wrong", "中"])
def test_a_page_without_the_form_token_cannot_vote(site: Site, form: str | None) -> None:
    headers = [(name.encode(), value.encode()) for name, value in site.headers(X_Form_Token=form).items()]
    answer = site.client.post(site.path("/vote"), json={}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["message"] == "the page is out of date: load it again"


def test_one_raters_form_token_does_not_open_anothers_link(site: Site) -> None:
    answer = site.client.post(site.path("/undo", "ben"), json={}, headers=site.headers("anna"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"item": "i-99"}, "is about the item i-99, which this test doesn't have"),
        ({"test": "t-old"}, "belongs to another test"),
        ({"choice": "both"}, "`choice` must be left, right or tie"),
        ({"marks": {}}, "`marks` must hold terminology, reasoning, format"),
        ({"comment": None}, "`comment` must be text"),
        ({"comment": "x" * 10_001}, "`comment` must have at most 10,000 characters"),
        ({"arm": "x"}, "`arm` is no part of a rating"),
    ],
)
def test_a_faulty_vote_is_refused_with_its_reason(site: Site, change: dict[str, Any], why: str) -> None:
    answer = site.vote(**change)
    assert answer.status_code == 400
    assert why in answer.json()["message"]
    assert site.store.all() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_vote_is_refused(site: Site, body: bytes) -> None:
    answer = site.client.post(site.path("/vote"), content=body, headers=site.headers(Content_Type="application/json"))
    assert (answer.status_code, answer.json()) == (400, {"message": "a vote must be a JSON object"})


def test_a_form_or_too_much_is_refused(site: Site) -> None:
    form = site.client.post(site.path("/vote"), content=b"{}", headers=site.headers(Content_Type="text/plain"))
    assert form.status_code == 415
    assert site.vote(comment="x" * 300_000).status_code == 413


def test_an_unknown_link_says_so_and_nothing_else(site: Site) -> None:
    for path in ("/", "/rate/", "/rate/guess", site.path() + "x", "/static/rate.html", "/static/../server.py", "/docs"):
        answer = site.client.get(path)
        assert answer.status_code == 404
        assert "This link isn&#39;t known" in answer.text
    assert site.client.post("/rate/guess/vote", json={}, headers=site.headers()).status_code == 404
    assert site.client.get(site.path("/vote")).status_code == 405


def test_a_rater_who_was_taken_off_the_list_has_no_link(site: Site) -> None:
    app = create_app(site.sheets.__getitem__, [site.raters["ben"]], site.store)
    client = TestClient(app, base_url=ORIGIN)
    assert client.get(site.path("", "anna")).status_code == 404
    assert client.get(site.path("", "ben")).status_code == 200


@pytest.mark.parametrize("path", ["page", "/static/rate.js", "/static/rate.css", "/none"])
def test_every_answer_carries_the_guarding_headers(site: Site, path: str) -> None:
    answer = site.client.get(site.path() if path == "page" else path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not {"server", "set-cookie", "x-powered-by", "access-control-allow-origin"} & set(answer.headers)


def test_a_failure_inside_shows_no_traceback_and_keeps_the_headers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.store, "of", fail)
    answer = site.client.get(site.path())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_store_that_cannot_be_written_is_said_to_the_rater(site: Site) -> None:
    site.store.path.write_bytes(b"overwritten" * 1_000)
    answer = site.vote()
    assert answer.status_code == 503
    assert "can't be used as a store of ratings" in answer.json()["message"]
    page = site.client.get(site.path())
    assert page.status_code == 503
    assert "can&#39;t be used as a store of ratings" in page.text


def test_the_page_holds_no_active_content_of_its_own_or_of_the_text(tmp_path: Path) -> None:
    site = Site(tmp_path, anna=hostile_sheet())
    site.vote("i-1", comment="</script><script>window.hit = 1</script>")
    page = site.client.get(site.path()).text
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="application/json" id="data">',
        '<script src="/static/rate.js">',
    ]
    found = Markup(page)
    assert found.fetched == ["/static/rate.css", "/static/rate.js"]
    assert not found.elements & {"img", "iframe", "svg", "object", "embed", "base", "a", "style"}
    assert not {name for name in found.attributes if name.startswith("on") or name in ("style", "srcdoc", "ping")}


def test_the_offline_page_allows_its_own_script_and_style_and_nothing_else() -> None:
    page = render_sheet(short_sheet(), {}, language="en", offline=True)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "unsafe" not in policy
    assert "default-src &#39;none&#39;" in policy
    assert not re.findall(r"(?:src|href)=", page.replace(script(), "").replace(style(), ""))
    assert "</script" not in script() + style()
    assert not re.search(r"https?://|@import|url\(", script() + style())


def test_nothing_here_can_know_the_arms() -> None:
    """The pages can't tell what they don't have: none of their modules imports what knows the arms."""
    modules = {"server", "guard", "rating_page", "offline", "render", "markdown", "formula", "store", "words"}
    allowed = {f"ftlab.evaluation.blind.{name}" for name in (*modules, "sheet")} | {
        "ftlab.problem",
        "ftlab.report.page",
    }
    for name in modules:
        tree = ast.parse((ROOT / "ftlab/evaluation/blind" / f"{name}.py").read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {other for other in imported | plain if other.startswith("ftlab")} <= allowed


def test_both_languages_say_everything() -> None:
    keys = {language: set(WORDS[language]) for language in LANGUAGES}
    assert keys["en"] == keys["zh"]
    for key, english in WORDS["en"].items():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", WORDS["zh"][key])), key
    said = set(re.findall(r'(?:say|tell)\("(\w+)"', script()))
    assert said <= keys["en"]
    assert len(said) > 10


def test_text_has_enough_contrast_in_light_and_dark() -> None:
    blocks = re.findall(r":root \{([^}]*)\}", style())
    assert len(blocks) == 4  # light and dark, of the text and of the page
    for block in ("".join(blocks[::2]), "".join(blocks[1::2])):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        inks = ("ink", "soft", "accent", "warning", "clean", "hl-word", "hl-string", "hl-number", "hl-name")
        pairs = [(ink, ground) for ink in inks for ground in ("ground", "panel", "code-ground")]
        pairs += [("on-accent", "accent"), ("accent", "accent-ground"), ("warning", "warning-ground")]
        for ink, ground in pairs:
            if (ink, ground) != ("clean", "code-ground"):
                assert _contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        for ground in ("ground", "panel"):
            assert _contrast(colour["line"], colour[ground]) >= 3, ground


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    lights = sorted((light(one), light(other)))
    return lights[1] / lights[0]


def test_links_name_this_machine() -> None:
    assert rater_links([Rater("anna", "abc", "f")], 8421) == {"anna": "http://127.0.0.1:8421/rate/abc"}


def test_an_occupied_port_is_said_with_the_override(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError) as error:
            serve(site.client.app, port, lambda _: pytest.fail("it began"))  # type: ignore[arg-type]
    assert f"compare.port: must be a free port, but {port} can't be used: Address already in use." in str(error.value)
    assert "Set compare.port=0 for any free one" in str(error.value)


def test_ctrl_c_ends_the_server_without_a_traceback(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ftlab.evaluation.blind.server import create_app, serve\n"
        "from ftlab.evaluation.blind.store import RatingStore\n"
        "store = RatingStore(Path(sys.argv[1]))\n"
        "serve(create_app(None, store.raters(['anna']), store), 0, lambda port: print(port, flush=True))\n"
        "print('ended')\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "r.sqlite")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(f"GET /rate/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 404")
            process.send_signal(2)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_the_server_listens_on_this_machine_only(site: Site) -> None:
    class Tried(Exception):
        pass

    def knock(port: int) -> None:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            # The same machine by an address that only a server for all addresses answers on.
            socket.create_connection(("127.0.0.2", port), timeout=5)
        raise Tried

    with pytest.raises(Tried):
        serve(site.client.app, 0, knock)  # type: ignore[arg-type]
