"""The page of a run says what the run left, whole or not, needs nothing from outside, and obeys no text."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ftlab.report import run as report_run
from ftlab.report.folder import RunFolder
from ftlab.report.number import percent, surprise
from ftlab.report.run import write_report
from ftlab.report.verdict import judge
from tests.reference.made_report import HOSTILE
from tests.reference.made_run import made_card, made_evaluation, made_figure, write_run
from tests.reference.page import Page, assert_self_contained

SIZE_LIMIT_BYTES = 1_000_000


def _page(folder: Path, card: dict[str, Any], **options: Any) -> Page:
    return Page(write_report(write_run(folder, card, **options)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return _page(tmp_path_factory.mktemp("whole") / "it", made_card())


def test_every_section_stands_on_the_page_with_its_numbers(whole: Page) -> None:
    for said in (
        "Better at its task, at the cost of what it knew before: on 62 held-out rows (1,986 answer tokens) "
        "perplexity fell from 134.3 (129.0 to 139.8) to 1.300 "
        "(1.249 to 1.353); the loss a token changed by −4.640 nats (−4.810 to −4.470).",
        "Strict JSON in 95 % of 20 answers; base: 0 %.", "its perplexity rose by 23.4 %", "curve: over-fitting",
        "144 of 144", "Held-out and training loss part", "too many passes over few rows", "training.epochs=2",
        "branch policy", "branch policy, whole texts 20 1,400",
        "up to 64 tokens", "16.4 times lower", "parses, text around it allowed", "branch.jsonl:9",
        "26 of 40", "branch acc 100 0.41 ± 0.05 0.38",
        "In the blind test tuned won 31, tied 11 and lost 8 of 50 pairs against base", "79.5 %",
        "It costs 9 euros a month. 金叶卡每月九欧元。", "(nothing)",
        "It costs 11 euros, branch", "(cut off by the length limit)", "10 of 12 steps", "The plan is 3 % above",
        "4,096 → 2,048", "FT108 3", "exact duplicate", "and 39 more", "119 of 935 rows are held out",
        "method.r 32 16", "data.path branch.jsonl null", "5c4fb55f81c3", "8813d9ab", "466,944 of 6,237,440",
        "branch rows 600; passes 2.0",
        "python -m ftlab method=qlora data.path=branch.jsonl", "torch 2.15.0", "/runs/x/wandb/offline-run-1",
    ):  # fmt: skip
        assert said in whole.words, said
    assert "not measured" not in whole.words


def test_what_happened_on_the_way_is_marked_in_the_curves(whole: Page) -> None:
    for said in ("out of memory (1)", "skipped (1)", "resumed (1)", "not finite (1)", "steps 90 to 140"):
        assert said in whole.words, said


def test_the_page_needs_no_script_and_nothing_from_outside(whole: Page) -> None:
    assert_self_contained(whole)
    assert len(whole.source) < SIZE_LIMIT_BYTES


def test_hostile_text_is_shown_as_text_wherever_it_stands(tmp_path: Path) -> None:
    plain = _page(tmp_path / "plain", made_card("plain"), word="plain")
    hostile = _page(tmp_path / "hostile", made_card(HOSTILE), word=HOSTILE)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert_self_contained(hostile)
    assert "<script>alert(1)</script>\\u202e<img src=x onerror=alert(2)>{{ 7*7 }}\\u0000\\ud800" in hostile.words


def test_the_page_of_the_longest_texts_stays_below_its_limit(tmp_path: Path) -> None:
    word = "\u200b<&" * 300  # each character is spelled out with several
    card = made_card(word)
    evaluation = card["evaluation"]
    evaluation["samples"] *= 50
    evaluation["format"]["tuned"]["causes"] = {f"{number}{word}": 9 for number in range(40)}
    failures = evaluation["format"]["tuned"]["failures"]
    evaluation["format"]["tuned"]["failures"] = [
        {**failures[1], "cause": cause} for cause in evaluation["format"]["tuned"]["causes"] for _ in range(9)
    ]
    evaluation["perplexity"]["sources"] *= 100
    evaluation["curve"]["findings"] *= 50
    card["oom_events"] *= 2000
    card["notes"] *= 200
    card["check"]["groups"] *= 100
    card["config"] |= {f"key{number}": word for number in range(500)}
    card["changed"] |= {f"key{number}": word for number in range(500)}
    page = _page(tmp_path, card, word=word)
    assert len(page.source.encode()) < SIZE_LIMIT_BYTES
    assert "more characters" in page.words
    assert "and 1,960 more, in run.json" in page.words
    assert "So that this page stays below 1 MB, texts on it are cut after " in page.words
    assert "So that this page stays below" not in _page(tmp_path / "usual", made_card()).words


def test_a_page_that_stays_too_large_shows_no_answers_and_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(report_run, "_LIMIT_BYTES", 10_000)
    page = _page(tmp_path, made_card())
    assert "cut after 30 characters, and of the answers only 0 side by side and 0 of each cause are shown" in page.words
    assert "and 2 more, in run.json" in page.words  # samples
    assert "and 2 more questions, in samples.jsonl" in page.words
    assert "It costs 9 euros" not in page.words
    assert "not measured" not in page.words
    assert f"{tmp_path / 'report.html'} has 0." in caplog.text


def test_what_was_not_measured_is_said_with_the_command_that_measures_it(tmp_path: Path) -> None:
    page = _page(tmp_path / "a run", made_card(evaluation={}))
    assert page.words.count("not measured") >= 6
    assert f"python -m ftlab task=evaluate 'run={tmp_path}/a run'" in page.words
    assert f"python -m ftlab task=compare 'run={tmp_path}/a run' compare.serve=true" in page.words
    assert "Whether the model became better was not measured." in page.words


def test_a_run_that_left_only_its_first_card_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "status": "running", "command": ["ftlab"]}))
    page = Page(write_report(tmp_path))
    assert "The run has not ended before the first step; it is running, or was killed." in page.words
    assert "The run has logged no step." in page.words


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("interrupted", "Interrupted: stop", "The run was interrupted at step 60 of 144; it can go on."),
        ("failed", "RuntimeError: <b>no", "The run failed at step 60 of 144: RuntimeError: <b>no"),
    ],
)
def test_a_run_that_did_not_end_well_says_so_first_and_how_to_go_on(
    tmp_path: Path, status: str, error: str, said: str
) -> None:
    page = _page(tmp_path, made_card(status=status, error=error, evaluation={}), steps=60)
    assert said in page.words
    assert f"method=qlora data.path=branch.jsonl resume=auto hydra.run.dir={tmp_path}" in page.words


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    write_run(tmp_path, made_card(), steps=30)
    with (tmp_path / "metrics.csv").open("a") as stream:
        stream.write("31,1,what\n32,1,0.5")  # the second one is cut off by a kill
    with (tmp_path / "samples.jsonl").open("a") as stream:
        stream.write('{"step": 4\n[]\n')
    page = Page(write_report(tmp_path))
    assert "3 lines of the metrics and the answers could not be read and are left out." in page.words


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": 2}', "must be at most 1, but is 2. Update ftlab."),
        ('{"format": 1', "run.json can't be read"),
        ("[]", "run.json can't be read"),
        ('{"format": 1, "config": 3}', "must hold what a run writes, but doesn't"),
    ],
)
def test_a_card_that_cannot_be_read_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_separate_evaluation_is_drawn_from_its_file(tmp_path: Path) -> None:
    content = {"run": "/runs/that run", "evaluation": made_evaluation() | {"format": None}}
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    page = Page(write_report(tmp_path))
    assert "before: on 62 held-out rows" in page.words
    assert "evaluation of /runs/that run" in page.words
    assert "python -m ftlab task=evaluate 'run=/runs/that run' evaluation=format" in page.words
    assert f"python -m ftlab task=report run={tmp_path}" in page.words


def _judged(**perplexity: Any) -> tuple[str, str]:
    sections = {"perplexity": {"answers": {"base": made_figure(2.0), "tuned": made_figure(1.5)}} | perplexity}
    verdict = judge(RunFolder(Path(), Path(), {"evaluation": sections}, {}, [], 0))
    return verdict.kind, verdict.sentence


@pytest.mark.parametrize(
    ("difference", "kind", "word"),
    [
        ({"loss": -0.5, "low": -0.6, "high": -0.4}, "clean", "Better: "),
        ({"loss": -0.5, "low": -1.1, "high": 0.1}, "warnings", "No clear difference: "),
        ({"loss": 0.5, "low": 0.4, "high": 0.6}, "errors", "Worse: "),
        ({"loss": 0.0, "low": 0.0, "high": 0.0}, "warnings", "No clear difference: "),
        (None, "warnings", "Not sure: "),
    ],
)
def test_the_verdict_follows_the_interval_of_the_difference(
    difference: dict[str, float] | None, kind: str, word: str
) -> None:
    found = _judged(difference=difference)
    assert found[0] == kind
    assert found[1].startswith(word)
    assert ("No interval was measured." in found[1]) == (difference is None)


@pytest.mark.parametrize(("general", "forgot"), [(3.21, True), (3.05, False)])
def test_the_verdict_tells_what_was_forgotten_where_the_intervals_lie_apart(general: float, forgot: bool) -> None:
    evaluation = made_evaluation()
    evaluation["forgetting"]["tuned"] = made_figure(general, 120, 9000)
    verdict = judge(RunFolder(Path(), Path(), {"evaluation": evaluation}, {}, [], 0))
    assert verdict.forgot == forgot
    assert verdict.sentence.startswith("Better at its task, at the cost of" if forgot else "Better: ")


def test_the_verdict_names_what_is_missing_or_no_number() -> None:
    lost = {**made_figure(1.0), "loss": None, "perplexity": None}
    assert "the base's was not measured" in _judged(answers={"base": None, "tuned": made_figure(1.5)})[1]
    assert _judged(answers={"base": made_figure(2.0), "tuned": lost}) == (
        "errors",
        "The loss of the tuned model on 62 held-out rows (1,986 answer tokens) is not a number.",
    )
    assert (
        judge(RunFolder(Path(), Path(), {}, {}, [], 0)).sentence == "Whether the model became better was not measured."
    )
    assert math.isclose(made_figure(2.0)["perplexity"], math.exp(2))


def test_a_perplexity_beyond_all_numbers_is_not_called_unmeasured() -> None:
    huge = {**made_figure(1.0), "loss": 900.0, "perplexity": None, "low": None, "high": None}
    assert surprise(huge) == "infinite"
    assert surprise({**huge, "loss": None}) == "not a number"
    assert surprise(None) == surprise({}) == "not measured"
    found = _judged(
        answers={"base": made_figure(2.0), "tuned": huge}, difference={"loss": 898, "low": 800, "high": 950}
    )
    assert "perplexity rose from 7.389 (7.099 to 7.691) to infinite" in found[1]


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (0.0001, "< 0.1 %"), (0.0026, "0.3 %"), (0.9996, "> 99.9 %"), (1, "100 %")]
)
def test_some_are_not_called_none_and_most_are_not_called_all(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(("path", "more"), [(None, False), ("/models/qwen", True)])
def test_only_the_embedded_model_is_measured_for_forgetting_without_texts_of_its_kind(
    tmp_path: Path, path: str | None, more: bool
) -> None:
    page = _page(tmp_path, made_card(evaluation={}, config={"model": {"name": "it", "path": path}}))
    assert (f"task=evaluate run={tmp_path} evaluation.general.path=general.jsonl" in page.words) == more
