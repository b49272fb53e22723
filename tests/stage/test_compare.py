"""A blind test of a run is made, gone on with after a kill, taken as it is once sealed, refused where it changed."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from peft import PeftModel

from ftlab.evaluation.blind.answers import read_answers
from ftlab.evaluation.blind.seal import ANSWERS, FILE, QUESTIONS
from ftlab.evaluation.blind.trial import Trial
from ftlab.evaluation.generate import Answer
from ftlab.model.tokenizer import load_tokenizer
from ftlab.problem import InputError
from ftlab.stage import arms, run
from ftlab.stage.compare import make_test, raters_of, write_pages
from ftlab.stage.inputs import Inputs
from ftlab.stage.load import load_base
from ftlab.stage.run import OpenedRun, open_run
from ftlab.stage.score import answer
from tests.config.composition import composed
from tests.reference.trained_run import tiny, write_adapter, write_rows, write_run

FIXED = ("task=compare", "trainer=cpu", "offline=true", "logger=none")
QUESTIONS_ASKED = 6


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    rows = write_rows(folder.parent / "mine.jsonl")
    write_run(folder, "method=lora", "method.r=4", f"data.path={rows}", "trainer=cpu", "offline=true")
    write_adapter(folder / "adapter")
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """An adapter of the same base that answers otherwise."""
    return write_adapter(tmp_path_factory.mktemp("other") / "second", seed=11)


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("questions") / "expert.jsonl"
    asked = [f"What does box {place} cost, and {'why so much ' * place}?" for place in range(QUESTIONS_ASKED)]
    file.write_text("".join(json.dumps({"question": text}) + "\n" for text in asked))
    return file


def _make(folder: Path, *overrides: str) -> Trial:
    typed = [*FIXED, f"compare.folder={folder}", f"output_dir={folder}", *overrides]
    return make_test(_configured(*typed[len(FIXED) :]), typed)


def _configured(*overrides: str) -> DictConfig:
    """Composing takes half a second each time; these keys need no choice of a group."""
    merged = OmegaConf.merge(composed(*FIXED), OmegaConf.from_dotlist(list(overrides)))
    assert isinstance(merged, DictConfig)
    return merged


def _usual(trained: Path, expert: Path) -> list[str]:
    few = ("evaluation.max_new_tokens=6", "evaluation.generate_batch_rows=1")
    return [f"run={trained}", f"questions={expert}", *few]


def _refused(folder: Path, *overrides: str) -> InputError:
    with pytest.raises(InputError) as caught:
        _make(folder, *overrides)
    return caught.value


@pytest.fixture(scope="module", autouse=True)
def _opened_once() -> Iterator[None]:
    """Opens a run once for the same settings: that takes seconds, and is tested elsewhere."""
    known: dict[tuple[str, ...], OpenedRun] = {}

    def open_once(cfg: DictConfig, overrides: Sequence[str]) -> OpenedRun:
        key = (str(cfg.run), *(word for word in overrides if word.startswith("evaluation.")))
        if key not in known:
            known[key] = open_run(cfg, overrides)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arms, "open_run", open_once)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, trained: Path, expert: Path) -> Trial:
    return _make(tmp_path_factory.mktemp("test"), *_usual(trained, expert))


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise AssertionError("weights are loaded")

    monkeypatch.setattr(run, "load_base", load)


def test_answers_are_the_likeliest_ones_of_both_models(made: Trial, trained: Path, expert: Path) -> None:
    tokenizer, _ = load_tokenizer(path=None, weights="pretrained", chat_template=None)
    asked = [json.loads(line)["question"] for line in expert.read_text().splitlines()]
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)["input_ids"]
        for text in asked
    ]
    stop = tokenizer.eos_token_id
    tuned = PeftModel.from_pretrained(tiny(), trained / "adapter")
    for arm, model in (("base", tiny()), ("tuned", tuned)):
        for place, prompt in enumerate(prompts):
            with torch.no_grad():
                ids = torch.tensor([prompt])
                for _ in range(6):
                    following = model(ids).logits[:, -1:].argmax(-1)
                    ids = torch.cat([ids, following], dim=1)
                    if following.item() == stop:
                        break
            expected = tokenizer.decode(ids[0, len(prompt) :], skip_special_tokens=True)
            assert made.answers[place, arm].text == expected
    assert made.key.arms == ("base", "tuned")
    assert len(made.answers) == 2 * QUESTIONS_ASKED


def test_a_sealed_test_is_taken_as_it_is(made: Trial, trained: Path, no_weights: None) -> None:
    again = _make(made.folder, f"run={trained}", "compare.serve=true", "compare.raters=[zoe]")
    assert again.key == made.key
    assert _make(made.folder).key == made.key  # the run itself may be gone


def test_two_processes_do_not_write_one_test(tmp_path: Path, trained: Path, expert: Path, no_weights: None) -> None:
    holder = (
        "import sys\nfrom pathlib import Path\nfrom ftlab.evaluation.blind.alone import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        said = str(_refused(tmp_path, *_usual(trained, expert)))
        assert f"another one is writing the test in '{tmp_path}' now. Wait until it has ended" in said
        assert not (tmp_path / ANSWERS).exists()
        process.kill()
    with pytest.raises(AssertionError, match="weights are loaded"):  # a killed one holds nothing
        _make(tmp_path, *_usual(trained, expert))


def test_a_sealed_test_is_not_changed_by_what_is_typed(
    made: Trial, trained: Path, expert: Path, no_weights: None
) -> None:
    usual = _usual(trained, expert)
    assert _make(made.folder, *usual).key == made.key
    assert "(questions)" in str(_refused(made.folder, f"run={trained}", "compare.rows=3", *usual[2:]))
    assert "(seed)" in str(_refused(made.folder, *usual, "seed=2"))
    problems = _refused(made.folder, *usual, "compare.strip.thinking=false", "compare.every_pair=true").problems
    assert [problem.where for problem in problems] == ["compare.strip", "compare.every_pair"]


def test_a_killed_test_answers_only_what_is_missing(
    tmp_path: Path,
    made: Trial,
    trained: Path,
    expert: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[int] = []
    loads: list[object] = []

    def dying(cfg: Any, inputs: Inputs, model: Any, prompts: Sequence[Sequence[int]]) -> list[Answer]:
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(len(prompts))
        return answer(cfg, inputs, model, prompts)

    monkeypatch.setattr(arms, "answer", dying)
    caplog.set_level("INFO")
    with pytest.raises(KeyboardInterrupt):
        _make(tmp_path, *_usual(trained, expert))
    assert "Interrupted: 4 answers are kept, the same command goes on with the others." in caplog.text
    assert not (tmp_path / FILE).exists()
    with (tmp_path / ANSWERS).open("ab") as file:
        file.write(b'{"question": 4, "arm": "ba')

    def counting(cfg: Any, inputs: Inputs, model: Any, prompts: Sequence[Sequence[int]]) -> list[Answer]:
        asked.append(len(prompts))
        return answer(cfg, inputs, model, prompts)

    def load(*given: Any) -> Any:
        loads.append(given)
        return load_base(*given)

    monkeypatch.setattr(arms, "answer", counting)
    monkeypatch.setattr(run, "load_base", load)
    trial = _make(tmp_path, *_usual(trained, expert))
    assert "the last line was half written (26 bytes)" in caplog.text
    assert "4 answers are there already, 8 are missing." in caplog.text
    assert asked == [4, 2, 4, 2]
    assert len(loads) == 1  # both models come from one base
    assert (tmp_path / ANSWERS).read_bytes() == (made.folder / ANSWERS).read_bytes()
    assert trial.key.secret != made.key.secret


def test_more_arms_are_compared_in_pairs(tmp_path: Path, trained: Path, other: Path, expert: Path) -> None:
    trial = _make(tmp_path, *_usual(trained, expert), f"compare.runs=[{other}]")
    assert trial.key.arms == ("base", "tuned", "second")
    pairs = [frozenset((one.first, one.second)) for one in trial.pairings]
    assert len(pairs) == QUESTIONS_ASKED
    assert sorted(map(pairs.count, set(pairs))) == [2, 2, 2]
    texts = {arm: [trial.answers[place, arm].text for place in range(QUESTIONS_ASKED)] for arm in trial.key.arms}
    assert texts["second"] != texts["tuned"] != texts["base"]


def test_questions_are_held_out_rows_where_none_are_given(tmp_path: Path, trained: Path) -> None:
    trial = _make(tmp_path, f"run={trained}", "compare.rows=2", *_usual(trained, trained)[2:])
    rows = {json.loads(line)["prompt"] for line in (trained.parent / "mine.jsonl").read_text().splitlines()}
    assert len(trial.questions) == 2
    assert {one.question for one in trial.questions} <= rows
    assert all(one.reference and "mine.jsonl:" in one.origin for one in trial.questions)


def test_everything_that_is_wrong_is_said_before_weights_are_loaded(
    tmp_path: Path, trained: Path, no_weights: None
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": "Why?"}\n{"question": ""}\n{"question": "\\n"}\n')
    error = _refused(
        tmp_path / "test", f"run={trained}", f"questions={bad}", "compare.runs=[nowhere]", "compare.raters=[a/b]",
        "compare.strip.patterns=['(']",
    )  # fmt: skip
    places = [problem.where for problem in error.problems]
    assert places == ["compare.strip.patterns[0]", "compare.raters[0]", f"{bad}:2", f"{bad}:3", "run"]
    assert not (tmp_path / "test").exists()


def test_an_occupied_port_is_said_before_anything_is_answered(
    tmp_path: Path, trained: Path, expert: Path, no_weights: None
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wrong = ("compare.raters=[a/b]", "compare.serve=true", f"compare.port={port}")
        error = _refused(tmp_path / "test", *_usual(trained, expert), *wrong)
    assert [problem.where for problem in error.problems] == ["compare.raters[0]", "compare.port"]
    assert not (tmp_path / "test").exists()


def test_runs_that_would_answer_at_different_length_are_refused(
    tmp_path: Path, trained: Path, expert: Path, no_weights: None
) -> None:
    rows = trained.parent / "mine.jsonl"
    second = write_run(
        tmp_path / "second", "method=lora", "method.r=4", f"data.path={rows}", "evaluation.max_new_tokens=9",
        "trainer=cpu", "offline=true",
    )  # fmt: skip
    write_adapter(second / "adapter")
    asked = (f"run={trained}", f"questions={expert}", f"compare.runs=[{second}]")
    (problem,) = _refused(tmp_path / "test", *asked).problems
    assert (problem.where, f"9 of '{second}'" in problem.what) == ("evaluation.max_new_tokens", True)


def test_a_question_too_long_for_the_model_is_named(tmp_path: Path, trained: Path, no_weights: None) -> None:
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"question": "Why? " * 3000}))
    (problem,) = _refused(tmp_path / "test", f"run={trained}", f"questions={long}").problems
    assert problem.where == f"{long}:1"
    assert "must leave room for an answer" in problem.what


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ((), "run: must name what was trained"),
        (("compare.runs=[one]",), "compare.runs: must name at least two runs"),
    ],
)
def test_a_test_of_nothing_is_refused(tmp_path: Path, overrides: tuple[str, ...], told: str) -> None:
    assert told in str(_refused(tmp_path, *overrides))


def test_changed_answers_under_a_sealed_key_are_refused(tmp_path: Path, made: Trial, trained: Path) -> None:
    for name in (ANSWERS, QUESTIONS, FILE):
        (tmp_path / name).write_bytes((made.folder / name).read_bytes())
    text = (tmp_path / ANSWERS).read_text()
    (tmp_path / ANSWERS).write_text(text.replace('"text": "', '"text": "better ', 1))
    assert len(read_answers(tmp_path / ANSWERS)) == 2 * QUESTIONS_ASKED
    told = str(_refused(tmp_path, f"run={trained}"))
    assert "was changed after it was sealed" in told
    assert "compare.folder=" in told


def test_pages_tell_nothing_of_the_arms(tmp_path: Path, made: Trial, trained: Path) -> None:
    cfg = _configured(f"run={trained}", "compare.raters=[anna,ben]")
    raters = raters_of(cfg, made.folder)
    assert {"anna", "ben"} <= set(raters)
    pages = write_pages(cfg, made, raters)
    for path in pages.values():
        text = path.read_text()
        assert not any(word in text for word in (made.key.secret, '"base"', '"tuned"', str(trained), "answers_sha256"))
    assert raters_of(_configured("compare.raters=[carl]"), made.folder) == (*raters, "carl")
    assert raters_of(_configured(), made.folder) == (*raters, "carl")


def test_a_broken_list_of_raters_is_named(tmp_path: Path) -> None:
    for content in ("[", "{}", "[1]"):
        (tmp_path / "raters.json").write_text(content)
        with pytest.raises(InputError, match=r"raters\.json: must be a list of the raters' names"):
            raters_of(_configured(), tmp_path)


@pytest.mark.parametrize("other", ["anna", "A\u0300nna"])
def test_raters_whose_pages_would_be_one_file_are_refused(tmp_path: Path, other: str) -> None:
    with pytest.raises(InputError, match="upper and lower case"):
        raters_of(_configured(f"compare.raters=[Anna,\u00c0nna,{other}]"), tmp_path)
