"""The rating pages in a real Chromium: by keyboard, on a phone, by two at once, with hostile text, from a file."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ftlab.evaluation.blind.offline import write_offline
from ftlab.evaluation.blind.server import create_app, rater_links, serve
from ftlab.evaluation.blind.sheet import Rating, Sheet
from ftlab.evaluation.blind.store import Merged, RatingStore
from tests.reference.blind_sheets import HOSTILE, hostile_sheet, realistic_sheet, short_sheet

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the rating pages in")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # A machine that is busy with other things is no fault.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Site:
    """A running server with a rater for each sheet."""

    def __init__(self, folder: Path, sheets: dict[str, Sheet]) -> None:
        self.sheets = sheets
        self.store = RatingStore(folder / "ratings.sqlite")
        raters = self.store.raters(list(sheets))
        app = create_app(sheets.__getitem__, raters, self.store)
        self.raters = {rater.name: rater for rater in raters}
        ready = threading.Event()
        self.port = 0

        def note(port: int) -> None:
            self.port = port
            ready.set()

        self.thread = threading.Thread(target=serve, args=(app, 0, note), daemon=True)
        self.thread.start()
        assert ready.wait(30)
        self.links = rater_links(raters, self.port)

    def votes(self, rater: str) -> dict[str, Rating]:
        return self.store.of(self.sheets[rater].test, rater)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    servers: list[uvicorn.Server] = []
    real = uvicorn.Server.__init__

    def noted(self: uvicorn.Server, config: uvicorn.Config) -> None:
        real(self, config)
        servers.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.Server, "__init__", noted)
        names = ("fifty", "anna", "ben", "twice", "undo", "lost", "touch", "owner", "words")
        sheets = {name: short_sheet(name, 50 if name == "fifty" else 4) for name in names}
        site = Site(tmp_path_factory.mktemp("site"), sheets | {"hostile": hostile_sheet("hostile")})
        yield site
    servers[0].should_exit = True
    site.thread.join(10)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages in browsers of their own; whatever a page complains of, fails the test."""
    contexts = []
    faults: list[str] = []

    def visit(url: str, **settings: Any) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [fault for fault in faults if "ERR_FAILED" not in fault] == []


def _press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def _progress(page: Page, words: str) -> None:
    expect(page.locator("#progress-words")).to_have_text(words)


def test_fifty_are_rated_by_keyboard_with_a_reload_in_the_middle(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["fifty"])
    choices = {"1": "left", "2": "tie", "3": "right", "ArrowLeft": "left", "ArrowDown": "tie", "ArrowRight": "right"}
    said = []
    for number in range(1, 51):
        key = list(choices)[number % 6]
        _press(page, f"{key} q w w")
        if number == 10:
            _press(page, "c")
            page.keyboard.type("q1 3 both miss clause 7")
            _press(page, "Control+Enter")
        else:
            _press(page, "Enter")
        said.append(choices[key])
        _progress(page, f"{number} of 50 rated")
        if number == 25:
            page.reload()
            _progress(page, "25 of 50 rated")
            expect(page.locator(".number:visible")).to_have_text("Question 26 of 50")
    expect(page.locator("#done")).to_be_visible()
    votes = site.votes("fifty")
    assert [votes[item.id].choice for item in site.sheets["fifty"].items] == said
    assert votes["i-10"].comment == "q1 3 both miss clause 7"
    marks = {
        "terminology": {"left": True, "right": False},
        "reasoning": {"left": None, "right": None},
        "format": {"left": None, "right": None},
    }
    assert all(vote.marks == marks for vote in votes.values())


def test_two_raters_at_once_keep_their_own_votes(site: Site, visit: Callable[..., Page]) -> None:
    anna, ben = visit(site.links["anna"]), visit(site.links["ben"])
    for number in range(1, 5):
        _press(anna, "1")
        _press(ben, "3")
        _press(anna, "Enter")
        _press(ben, "Enter")
        _progress(anna, f"{number} of 4 rated")
        _progress(ben, f"{number} of 4 rated")
    expect(anna.locator("#rater")).to_have_text("Rater: anna")
    assert {vote.choice for vote in site.votes("anna").values()} == {"left"}
    assert {vote.choice for vote in site.votes("ben").values()} == {"right"}


def test_nothing_is_saved_before_a_choice_and_undo_takes_votes_back(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["undo"])
    _press(page, "q Enter")
    expect(page.locator("#said")).to_have_text("Choose first: A is better, tie, or B is better.")
    assert site.votes("undo") == {}
    # Faster than the server: what is pressed while a vote is on its way waits for it.
    _press(page, "1 Enter 1 Enter")
    _progress(page, "2 of 4 rated")
    _press(page, "p 3 Enter")
    expect(page.locator("#said")).to_have_text("Saved.")
    _press(page, "u")
    expect(page.locator("#said")).to_have_text("Taken back: question 2.")
    expect(page.locator(".choice[aria-pressed=true]")).to_have_attribute("data-choice", "left")
    _press(page, "u u u")
    _progress(page, "0 of 4 rated")
    _press(page, "u")
    expect(page.locator("#said")).to_have_text("There is nothing to take back.")
    assert site.votes("undo") == {}


def test_a_vote_sent_twice_is_one_vote(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["twice"])
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or "") if request.method == "POST" else None)
    _press(page, "1")
    page.locator("#next").dblclick()
    _progress(page, "1 of 4 rated")
    again = """(body) => fetch(location.pathname + "/vote", {method: "POST", body, headers: {
        "Content-Type": "application/json", "X-Form-Token": JSON.parse(document.getElementById("data").textContent).form
    }}).then((answer) => answer.json())"""
    assert page.evaluate(again, sent[0]) == {"done": 1}
    _press(page, "u")
    _progress(page, "0 of 4 rated")
    assert site.votes("twice") == {}


def test_a_vote_that_could_not_be_sent_stays_and_is_sent_again(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["lost"])
    page.route("**/vote", lambda route: route.abort())
    _press(page, "3 a Enter")
    expect(page.locator("#said")).to_contain_text("Not saved: the server doesn't answer.")
    expect(page.locator(".choice[aria-pressed=true]")).to_have_attribute("data-choice", "right")
    page.unroute("**/vote")
    _press(page, "Enter")
    _progress(page, "1 of 4 rated")
    assert site.votes("lost")["i-01"].marks["reasoning"] == {"left": True, "right": None}


def test_hostile_text_is_only_shown(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["hostile"], viewport={"width": 375, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for view in ("laid-out", "plain"):
        expect(page.locator(f".answer .{view}:visible")).to_contain_text("<script>window.hit = 1</script>")
        expect(page.locator(f".answer .{view}:visible")).to_contain_text("U+202E")
        assert page.evaluate("document.documentElement.scrollWidth") == 375
        _press(page, "v")
    pane = page.locator(".answer .pane:visible").first
    assert pane.evaluate("(pane) => pane.scrollHeight > pane.clientHeight"), "long text scrolls in its own pane"
    _press(page, "2")
    page.locator("#comment").fill(HOSTILE.replace("\ud800", ""))
    _press(page, "Control+Enter")
    _progress(page, "1 of 2 rated")
    page.reload()
    _press(page, "p")
    expect(page.locator("#comment")).to_have_value(HOSTILE.replace("\ud800", ""))
    assert page.evaluate("window.hit") is None
    assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{site.port}"}


def test_a_foreign_page_can_neither_vote_nor_frame_nor_read(site: Site, browser: Browser) -> None:
    link = site.links["owner"]
    body = json.dumps({"test": "t-short", "item": "i-01", "choice": "left", "marks": {}, "comment": ""})
    attack = f"""<!doctype html><body><iframe name="inside"></iframe><iframe id="frame" src="{link}"></iframe>
        <form id="form" method="post" action="{link}/undo" target="inside" enctype="text/plain"><input name="x"></form>
        <script>
        const token = {json.dumps(site.raters["owner"].form)}, body = {json.dumps(body)}, tries = [];
        const send = (mode, headers) => fetch("{link}/vote", {{method: "POST", mode, headers, body}});
        const known = {{"Content-Type": "application/json", "X-Form-Token": token}};
        tries.push(send("cors", known).then(() => "read", () => "refused"));
        tries.push(send("no-cors", {{"Content-Type": "text/plain"}}).then(() => "blind", () => "refused"));
        tries.push(fetch("{link}").then(() => "read", () => "refused"));
        document.getElementById("form").submit();
        Promise.all(tries).then((results) => {{ document.title = results.join(" "); }});
        </script>"""

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(attack.encode())

        def log_message(self, *_: object) -> None:
            pass

    site.store.put_now(Rating("t-short", "owner", "i-02", "tie", _open(), "", "2026-01-01T00:00:00+00:00"))
    context = browser.new_context()
    page = context.new_page()
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status) if response.request.method == "POST" else None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Attacker) as attacker:
        thread = threading.Thread(target=attacker.serve_forever)
        thread.start()
        page.goto(f"http://localhost:{attacker.server_address[1]}/")
        page.wait_for_function("document.title !== ''")
        page.wait_for_load_state("networkidle")
        attacker.shutdown()
        thread.join()
    assert page.title().split()[0] == page.title().split()[2] == "refused"
    assert answers
    assert set(answers) == {403}
    assert all("Question" not in frame.content() for frame in page.frames if frame != page.main_frame)
    context.close()
    assert {item: vote.choice for item, vote in site.votes("owner").items()} == {"i-02": "tie"}


def _open() -> dict[str, dict[Any, bool | None]]:
    return {name: {"left": None, "right": None} for name in ("terminology", "reasoning", "format")}


def test_a_phone_rates_by_touch_without_sideways_scrolling(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["touch"], viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    page.locator(".choice[data-choice=right]").tap()
    page.get_by_role("radio", name="No").first.tap()
    for button in page.locator(".bar button").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 40
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.locator("#next").tap()
    _progress(page, "1 of 4 rated")
    assert site.votes("touch")["i-01"].marks["terminology"]["left"] is False


def test_the_page_speaks_chinese_and_follows_the_dark_scheme(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["words"], color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark, light) == ("rgb(20, 23, 27)", "rgb(255, 255, 255)")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("h1")).to_have_text("哪个回答更好？")
    page.reload()
    expect(page).to_have_title("哪个回答更好？")
    assert page.evaluate("document.documentElement.lang") == "zh"
    _progress(page, "已评 0 / 4")
    page.get_by_role("button", name="English").click()
    _press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    _press(page, "Escape 1")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.get_by_role("button", name="A is better")).to_have_attribute("aria-pressed", "true")


def test_everything_to_use_has_a_name_and_shows_where_the_focus_is(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site.links["words"])
    snapshot = page.locator("body").aria_snapshot()
    for name in (
        'group "Marks"',
        'radio "Yes"',
        'textbox "Comment (optional)',
        'region "Answer A"',
        "heading",
        "status",
    ):
        assert name in snapshot
    assert snapshot.count('group "Terminology right? Answer') == 2
    _press(page, "Tab")
    reached = set()
    for _ in range(40):
        shown = page.evaluate(
            """(() => {
                const it = document.activeElement, seen = it.matches("input") ? it.nextElementSibling : it;
                return [it.id || it.className || it.name || it.tagName, getComputedStyle(seen).outlineStyle];
            })()"""
        )
        reached.add(shown[0])
        assert shown[0] == "BODY" or shown[1] in ("solid", "auto"), f"{shown[0]} shows no focus"
        _press(page, "Tab")
    assert {"pane", "comment", "choice", "next", "undo", "raw"} <= reached


def test_the_offline_file_goes_the_whole_way_and_back(tmp_path: Path, visit: Callable[..., Page]) -> None:
    sheet = realistic_sheet("anna")
    path = tmp_path / "for anna.html"
    write_offline(sheet, path, "zh")
    page = visit(path.as_uri())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _progress(page, "已评 0 / 4")
    _press(page, "1 q Enter 3 c")
    page.keyboard.type("术语不对 <b>")
    _press(page, "Control+Enter")
    _progress(page, "已评 2 / 4")
    page.reload()
    _progress(page, "已评 2 / 4")
    half = _saved(page, tmp_path / "half.json")

    # Goes on in another browser, which knows nothing yet.
    other = visit(path.as_uri())
    _progress(other, "已评 0 / 4")
    other.locator("#load").set_input_files(half)
    _progress(other, "已评 2 / 4")
    _press(other, "2 Enter")
    _progress(other, "已评 3 / 4")
    _press(other, "1 Enter")
    expect(other.locator("#done")).to_be_visible()
    _press(other, "u u 3 Enter")
    _progress(other, "已评 3 / 4")
    whole = _saved(other, tmp_path / "whole.json")
    other.locator("#as-text").click()
    assert json.loads(other.locator("#file-text").input_value()) == json.loads(whole.read_text())

    other.locator("#load").set_input_files(half)
    expect(other.locator("#said")).to_have_text("已载入：从文件中取得 0 条评分。")

    store = RatingStore(tmp_path / "ratings.sqlite")
    known = {"test": sheet.test, "items": {item.id for item in sheet.items}, "raters": ["anna"]}
    assert store.merge(half, **known) == Merged(added=2)  # type: ignore[arg-type]
    assert store.merge(whole, **known) == Merged(added=1, unchanged=2)  # type: ignore[arg-type]
    assert store.merge(whole, **known) == Merged(unchanged=3)  # type: ignore[arg-type]
    votes = store.of(sheet.test, "anna")
    assert {item: vote.choice for item, vote in votes.items()} == {"i-01": "left", "i-02": "right", "i-03": "right"}
    assert votes["i-02"].comment == "术语不对 <b>"
    assert all(url.startswith(("file:", "blob:")) for url in asked)


def _saved(page: Page, path: Path) -> Path:
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == "ratings-anna.json"
    download.value.save_as(path)
    return path


def test_the_offline_file_works_where_storage_is_refused_and_refuses_foreign_files(
    tmp_path: Path, visit: Callable[..., Page], browser: Browser
) -> None:
    path = tmp_path / "anna.html"
    write_offline(short_sheet("anna", 2), path)
    page = visit("about:blank")
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }});")
    page.goto(path.as_uri())
    expect(page.locator("#unkept")).to_be_visible()
    _press(page, "1 Enter")
    _progress(page, "1 of 2 rated")
    good = _saved(page, tmp_path / "good.json")
    text = good.read_text()
    for spoiled, why in (
        (text[:-20], "it is no whole file of ratings."),
        (text.replace('"t-short"', '"t-other"'), "it belongs to another test or rater."),
        (text.replace('"anna"', '"ben"'), "it belongs to another test or rater."),
    ):
        bad = tmp_path / "bad.json"
        bad.write_text(spoiled)
        page.locator("#load").set_input_files(bad)
        expect(page.locator("#said")).to_have_text(f"The file isn't loaded: {why}")
    _progress(page, "1 of 2 rated")
    _press(page, "3")
    page.locator("#load").set_input_files(good)
    _progress(page, "2 of 2 rated")  # what stood in the form was kept before the file was taken


def test_the_offline_file_in_two_tabs_loses_no_vote(tmp_path: Path, visit: Callable[..., Page]) -> None:
    path = tmp_path / "anna.html"
    write_offline(short_sheet("anna", 3), path)
    first = visit(path.as_uri())
    second = first.context.new_page()
    second.goto(path.as_uri())
    _press(first, "1 Enter")
    _progress(second, "1 of 3 rated")
    _press(second, "n 2 Enter")
    _progress(first, "2 of 3 rated")
    first.reload()
    _progress(first, "2 of 3 rated")
