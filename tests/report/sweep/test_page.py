"""The page of a comparison: its numbers stand there, nothing is left out in silence, text is text, and it is small."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ftlab.report.sweep.compare import compare
from ftlab.report.sweep.comparison import Comparison
from ftlab.report.sweep.page import write_page
from ftlab.report.sweep.read import Sweep
from tests.reference.made_comparison import Ended, made_comparison, write_curve
from tests.reference.made_report import HOSTILE
from tests.reference.page import Page

GRID = {"method": ["lora", "qlora", "full"], "optimizer.lr": ["0.0001", "0.001", "0.01"], "seed": ["1", "2", "3"]}
ENDED: Ended = {4: ("failed", "CUDA out of memory."), 13: ("interrupted", ""), 26: ("missing", "it was never started")}


def _drawn(comparison: Comparison, folder: Path) -> Page:
    return Page(write_page(comparison, folder))


def _svgs(page: Page) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page.source, re.S)]


def _labelled(page: Page, label: str) -> ElementTree.Element:
    (found,) = [svg for svg in _svgs(page) if label in svg.attrib.get("aria-label", "")]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for number in range(26):
        write_curve(folder / f"{number}-job", {0: 4.9, 10: 1.0 + number / 100, 20: 0.3})
    (folder / "0-job" / "report.html").write_text("<p>its own page</p>")
    (folder / "4-job" / "ftlab.log").write_text("no memory")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return _drawn(made_comparison(folder, GRID, ended=ENDED, price_per_hour=2.5), folder)


def test_every_row_has_its_numbers_with_intervals_and_the_chosen_rate(page: Page) -> None:
    words = page.words
    for name in ("lora", "qlora", "full"):
        row = re.search(rf'<th scope="row">(?:<svg.*?</svg>)?{name}</th>(.*?)</tr>', _part(page, "table"), re.S)
        assert row
        assert 'data-label="best optimizer.lr" data-value="0.001"' in row.group(1)
        assert re.search(r"0\.\d{3}</span><span class=\"sub\">0\.\d{3}\u00a0to 0\.\d{3}", row.group(1))
        assert "GiB" in row.group(1)
    assert "change against first" in words
    assert "8 of 9" in words
    assert "Cost: of one run, at 2.5 an hour." in words
    assert "Before training: held-out loss 4.900" in words


def _part(page: Page, name: str) -> str:
    return page.source.split(f'<h2 id="{name}">')[1].split("<h2 id=")[0]


def test_the_verdict_comes_first_and_the_best_number_of_a_column_is_marked(folder: Path, page: Page) -> None:
    comparison = made_comparison(folder, GRID, ended=ENDED)
    assert page.words.index(comparison.verdict[0]) < page.words.index("runs done") < page.words.index("Measured")
    best = min(row.values["loss"].mean for row in comparison.rows)
    assert f'<span class="best">{best:.3f}</span>' in _part(page, "table")


def test_jobs_without_a_result_stand_there_with_reason_and_log(page: Page) -> None:
    part = _part(page, "unfinished")
    assert "Without a result: 3 jobs" in page.words
    assert {"CUDA out of memory.", "it was never started"} <= set(re.findall(r'<p class="said">(.*?)</p>', part))
    assert 'href="4-job/ftlab.log"' in part
    assert "method=lora optimizer.lr=0.001 seed=2" in part
    for word in ("24 done", "1 failed", "1 interrupted", "1 missing"):
        assert word in page.words


def test_a_run_leads_to_its_own_page_where_there_is_one(page: Page) -> None:
    links = [value["href"] for tag, value in page.tags if tag == "a" and not (value["href"] or "").startswith("#")]
    assert links.count("0-job/report.html") == 1
    assert "1-job/report.html" not in links
    assert all(not re.match(r"[a-z]+:|/", link or "") for link in links)


def test_nothing_comes_from_outside_and_only_the_own_script_may_run(page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object", "form"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search(r"https?://|url\(", page.source)
    (policy,) = [one["content"] for tag, one in page.tags if tag == "meta" and "http-equiv" in one]
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_plots_are_whole_and_say_in_words_what_they_show(page: Page) -> None:
    plots = [svg for svg in _svgs(page) if "aria-label" in svg.attrib]
    labels = [svg.attrib["aria-label"] for svg in plots]
    loss = "held-out loss, nats a token by"
    for wanted in (f"{loss} forgetting", f"{loss} peak memory, GiB", f"{loss} tokens a second"):
        assert sum(wanted in label for label in labels) == 1
    assert sum("held-out loss by optimizer.lr" in label for label in labels) == 3
    scatter = _labelled(page, "peak memory")
    assert "lora: 17, 0.3" in (scatter.findtext("desc") or "")
    assert {"lora", "qlora", "full"} <= {text.text for text in scatter.iter("text")}


def test_a_rows_curves_are_thin_and_their_mean_is_thick(page: Page) -> None:
    plot = _labelled(page, "optimizer step")
    kinds = [path.attrib["class"] for path in plot.iter("path")]
    assert [kinds.count(f"line-{number} faint") for number in (1, 2, 3)] == [2, 2, 3]  # one of each is not done
    assert [kinds.count(f"line-{number}") for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize(("place", "name"), [(0, "lora"), (1, "qlora"), (2, "full")])
def test_what_was_chosen_has_a_ring_at_its_rate(page: Page, place: int, name: str) -> None:
    plots = [svg for svg in _svgs(page) if svg.attrib.get("aria-label", "").endswith("held-out loss by optimizer.lr")]
    assert plots[place].attrib["aria-label"].startswith(name)
    rings = [circle for circle in plots[place].iter("circle") if circle.attrib["class"] == "ring"]
    dots = [circle for circle in plots[place].iter("circle") if circle.attrib["class"] == f"fill-{place + 1}"]
    assert [ring.attrib["cx"] for ring in rings] == [dots[1].attrib["cx"]]
    ticks = {text.text for text in plots[place].iter("text")}
    assert {"0.0001", "0.001", "0.01", "optimizer.lr, logarithmic"} <= ticks
    left, middle, right = (float(dot.attrib["cx"]) for dot in dots)
    assert middle - left == pytest.approx(right - middle, abs=0.2)


def test_two_keys_stand_against_each_other_the_stronger_the_less_the_loss(page: Page) -> None:
    part = _part(page, "maps")
    cells = re.findall(r'--strength: (\d+)%">(\d\.\d+)', part)
    assert len(cells) == 9
    by_loss = sorted(cells, key=lambda cell: float(cell[1]))
    assert [int(strength) for strength, _ in by_loss] == sorted((int(one) for one, _ in cells), reverse=True)
    assert (by_loss[0][0], by_loss[-1][0]) == ("45", "0")


def test_settings_say_what_was_swept_what_follows_and_what_is_common(page: Page) -> None:
    swept, _, rest = _part(page, "settings").partition("Differs as a consequence")
    following, _, common = rest.partition("All that is the same")
    assert '<th scope="row">optimizer.lr</th><td>0.0001, 0.001, 0.01</td>' in swept
    assert '<th scope="row">method.bits</th>' in following
    assert "output_dir" not in following + common
    assert '<th scope="row">training.max_steps</th><td>8</td>' in common


def test_the_command_that_runs_it_again_names_every_value(page: Page) -> None:
    command = "python -m ftlab -m method=lora,qlora,full optimizer.lr=0.0001,0.001,0.01 seed=1,2,3"
    assert command in page.words
    assert "python -m ftlab task=report runs=" in page.words


def test_tables_say_what_their_headings_are_of(page: Page) -> None:
    headings = [attributes for tag, attributes in page.tags if tag == "th"]
    assert headings
    assert all(one.get("scope") in ("col", "row") for one in headings)
    scrolled = [
        one for tag, one in page.tags if tag == "div" and one.get("class") in ("tall", "scroll") and "role" in one
    ]
    assert all(one.get("tabindex") == "0" and ("aria-label" in one or "aria-labelledby" in one) for one in scrolled)


def test_warnings_stand_before_the_numbers(folder: Path) -> None:
    grid = GRID | {"optimizer.lr": ["0.00001", "0.0001", "0.001"]}
    page = _drawn(made_comparison(folder, grid), folder)
    assert "Read this before comparing" in page.words
    assert page.words.index("Read this before comparing") < page.words.index("Measured")


def test_hostile_text_is_text(tmp_path: Path) -> None:
    folder = tmp_path / "a b'<i>"
    keys = {"method": ["lora", HOSTILE], HOSTILE: ["1", HOSTILE], "optimizer.lr": ["0.001", "0.002"]}
    ended: Ended = {1: ("failed", HOSTILE), 2: ("running", HOSTILE)}
    page = _drawn(made_comparison(folder, keys, ended=ended, note=HOSTILE), folder)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in page.tags}
    assert "{{ 7*7 }}" in page.words
    assert "\u202e" not in page.source
    assert _svgs(page)


def test_sweeps_without_any_result_say_so(tmp_path: Path) -> None:
    ended: Ended = dict.fromkeys(range(3), ("failed", "broken"))
    page = _drawn(made_comparison(tmp_path, {"seed": ["1", "2", "3"]}, ended=ended), tmp_path)
    assert 'class="verdict errors"' in page.source
    assert "Without a result: 3 jobs" in page.words
    assert "What it costs" not in page.words


def test_one_run_alone_and_losses_that_are_not_finite_are_drawn(tmp_path: Path) -> None:
    comparison = made_comparison(tmp_path, {"method": ["lora", "full"]})
    for job in comparison.jobs[1:]:
        job.values["loss"] = job.values["val_loss"] = float("inf")  # type: ignore[index]
    again = compare(Sweep(tmp_path, comparison.jobs))
    page = _drawn(again, tmp_path)
    assert re.search(r"full</th>.*?infinite", _part(page, "table"), re.S)
    alone = _drawn(compare(Sweep(tmp_path, comparison.jobs[:1])), tmp_path)
    assert "1 of 1" in alone.words


def test_values_that_are_no_numbers_stand_side_by_side_where_they_are_chosen(tmp_path: Path) -> None:
    keys = {"method": ["lora", "qlora"], "data": ["one", "two", "three"], "seed": ["1", "2"]}
    jobs = made_comparison(tmp_path, keys).jobs
    page = _drawn(compare(Sweep(tmp_path, jobs), by=["method"]), tmp_path)
    plot = next(svg for svg in _svgs(page) if svg.attrib.get("aria-label", "") == "lora: held-out loss by data")
    texts = [text.text for text in plot.iter("text")]
    assert [text for text in texts if text in keys["data"]] == keys["data"]
    assert "data" in texts


def test_several_sweeps_and_single_runs_are_drawn_anew_from_all_their_folders(tmp_path: Path) -> None:
    one, other = (made_comparison(tmp_path / name, {"method": ["lora", "full"]}).jobs for name in ("one", "two"))
    alone = replace(other[0], folder=tmp_path / "alone", number=None)
    page = _drawn(compare(Sweep(tmp_path / "one", (*one, *other, alone)), by=[], price_per_hour=2.5), tmp_path)
    folders = ",".join(str(tmp_path / name) for name in ("one", "two", "alone"))
    command = f"python -m ftlab task=report 'runs=[{folders}]' 'report.by=[]' report.price_per_hour=2.5"
    assert command in page.words


def test_the_command_of_the_sweep_is_preferred_to_those_of_its_jobs(tmp_path: Path) -> None:
    jobs = made_comparison(tmp_path, {"method": ["lora", "full"]}).jobs
    own = [["python", "-m", "ftlab", f"method={job.overrides['method']}"] for job in jobs]
    sweep = ["python", "-m", "ftlab", "-m", "method=lora,full", "x=1"]
    for commands, said in (([sweep, sweep], " ".join(sweep)), (own, "python -m ftlab -m method=lora,full")):
        told = [replace(job, facts={**job.facts, "command": words}) for job, words in zip(jobs, commands, strict=True)]
        again = _part(_drawn(compare(Sweep(tmp_path, tuple(told))), tmp_path), "again")
        assert re.findall("<p><code>(.*?)</code></p>", again) == [said]
