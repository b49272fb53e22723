"""Hundreds of runs on one page: read, compared, shown and written in seconds, in a file that is easily sent."""

import re
import time
from pathlib import Path

import pytest

from ftlab.report.sweep.page import write_page
from ftlab.report.sweep.read import read_sweep
from ftlab.report.sweep.write import write_comparison
from tests.reference.made_comparison import Ended, made_comparison
from tests.reference.made_sweep import made_sweep
from tests.reference.page import Page

LIMIT_BYTES = 1_500_000


def test_500_runs_are_read_compared_shown_and_written_in_under_10_s(tmp_path: Path) -> None:
    rates = ["0.0001", "0.0003", "0.001", "0.003", "0.01"]
    methods = [f"method{number}" for number in range(20)]
    assert made_sweep(tmp_path, methods, rates, seeds=(1, 2, 3, 4, 5)) == 500
    begun = time.process_time()
    write_comparison(read_sweep(tmp_path))
    assert time.process_time() - begun < 10
    file = tmp_path / "comparison.html"
    assert file.stat().st_size < LIMIT_BYTES
    page = Page(file)
    assert "All 500 jobs" in page.words
    assert "Coloured are the first row and the 7 of least held-out loss; the other 12 rows are grey" in page.words
    assert len(re.findall("held-out loss by optimizer.lr", page.source)) == 20
    statuses = re.findall(r'<span class="chip \w+">(?:\d+ )?(\w+)</span>', page.source.split('id="jobs"')[1])
    assert len(statuses) == 500
    assert {"done", "failed", "interrupted", "running", "missing"} == set(statuses)


@pytest.fixture(scope="module")
def page_of_500_rows(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("rows")
    keys = {"method.r": [str(number) for number in range(500)]}
    return Page(write_page(made_comparison(folder, keys, price_per_hour=2.5), folder))


def test_500_rows_stand_in_the_table_and_on_the_plots(page_of_500_rows: Page) -> None:
    page = page_of_500_rows
    assert len(page.source.encode()) < LIMIT_BYTES
    table = page.source.split('<h2 id="table">')[1].split("<h2 id=")[0]
    assert table.count('<th scope="row">') == 500
    plot = page.source.split("Quality against memory")[1].split("</svg>")[0]
    assert len(re.findall(r'class="fill-0"', plot)) == 492 + 1  # the legend names them once
    assert len(set(re.findall(r'class="fill-(\d)"', plot))) == 9


def test_long_texts_of_many_jobs_keep_the_page_small_and_are_counted(tmp_path: Path) -> None:
    ended: Ended = {number: ("failed", f"{number} " + "x" * 5000) for number in range(1, 300)}
    keys = {"method.r": [f"{'y' * 400}{number}" for number in range(300)]}
    file = write_page(made_comparison(tmp_path, keys, ended=ended), tmp_path)
    assert file.stat().st_size < LIMIT_BYTES
    page = Page(file)
    assert "Without a result: 299 jobs" in page.words
    assert "more characters)" in page.words
