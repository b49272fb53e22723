"""The page of a comparison in a real Chromium: on a phone, in light and dark, sorted by hand, under its own policy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ftlab.report.sweep.page import write_page
from tests.reference.made_comparison import Ended, made_comparison
from tests.reference.made_report import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the page in")

LONG = "a_very_long_name_of_a_setting_without_any_space_" * 3

POOR_CONTRAST = """() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+(e-?\\d+)?/g).map(Number);
    const parts = text.startsWith("color(") ? found.slice(0, 3) : found.slice(0, 3).map((part) => part / 255);
    return { parts, alpha: found.length > 3 ? found[3] : 1 };
  };
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const own = parse(getComputedStyle(at).backgroundColor);
      if (own.alpha === 1) return own.parts;
    }
    return [1, 1, 1];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, title, desc") || (element.closest("svg") && !element.closest("text"))) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(element.closest("svg") ? style.fill : style.color).parts), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen += 1;
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.tagName} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return { seen, poor };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    keys = {
        "method": ["lora", "qlora", "full", LONG], "quantization": ["none", HOSTILE],
        "optimizer.lr": ["0.0001", "0.001", "0.01"], "seed": ["1", "2", "3"],
    }  # fmt: skip
    ended: Ended = {7: ("failed", LONG), 8: ("interrupted", HOSTILE), 40: ("missing", "it was never started")}
    comparison = made_comparison(folder, keys, ended=ended, price_per_hour=2.5, note=HOSTILE)
    return write_page(comparison, folder)


def _open(browser: Browser, file: Path, *, width: int, dark: bool = False) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page.set_default_timeout(20_000)  # a machine that is busy with other things is no fault
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(file.as_uri())
    return page, faults


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_nothing_reaches_beyond_the_window(browser: Browser, file: Path, width: int) -> None:
    page, faults = _open(browser, file, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults == []
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_its_ground(browser: Browser, file: Path, dark: bool) -> None:
    page, _ = _open(browser, file, width=1280, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = page.evaluate(POOR_CONTRAST)
    assert found["seen"] > 300
    assert found["poor"] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)"
    )
    page.close()


def test_a_click_on_a_heading_sorts_and_another_turns_it_around(browser: Browser, file: Path) -> None:
    page, faults = _open(browser, file, width=1280)
    table = page.locator("table.measured")
    head = table.get_by_role("columnheader", name="held-out loss", exact=True)
    place = head.evaluate("(head) => head.cellIndex")
    values = "(body, place) => [...body.rows].map((row) => Number(row.cells[place].dataset.value))"
    head.get_by_role("button").click()
    upwards = table.locator("tbody").evaluate(values, place)
    assert upwards == sorted(upwards)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert table.locator("tbody").evaluate(values, place) == sorted(upwards, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert faults == []
    page.close()
