"""The record of a run: what was decided for the user is said, and however a run ends, its card and page tell."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ftlab import metric
from ftlab.callbacks.interrupt import Interrupted
from ftlab.stage.inputs import Inputs
from ftlab.stage.prepare import prepare
from ftlab.stage.record import Record
from tests.config.composition import composed
from tests.reference.made_run import made_evaluation
from tests.reference.page import Page
from tests.reference.read_wandb import read_offline_run


def test_what_was_decided_is_said_and_stands_in_the_card(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.jsonl"
    made = [{"question": f"What does box {n} cost?", "answer": f"Box {n} costs {n * 3} euros."} for n in range(20)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*made, made[0]]))
    cfg = composed(
        f"data.path={path}", f"output_dir={tmp_path / 'run'}", "trainer=cpu", "offline=true", "logger=none",
        "data.cache=null", f"evaluation.general.path={path}",
    )  # fmt: skip
    with caplog.at_level(logging.INFO), Record(cfg, prepare(cfg)):
        pass
    said = [record.getMessage() for record in caplog.records if record.name == "ftlab.stage.record"]
    assert any("`instruction` is read from `question`" in line for line in said)
    assert any(line.startswith("No validation file: ") for line in said)
    assert any(line.startswith("Checked 21 rows: all are used, warnings: ") and "FT201" in line for line in said)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["notes"] == said
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert " general rows are trained on, too" in warning


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[DictConfig, Inputs]:
    folder = tmp_path_factory.mktemp("record")
    cfg = composed(f"output_dir={folder / 'run'}", "trainer=cpu", "offline=true", "data.cache=null", "method=lora")
    return cfg, prepare(cfg)


def _at(given: tuple[DictConfig, Inputs], folder: Path) -> tuple[DictConfig, Inputs]:
    """The same run in another folder."""
    cfg, inputs = given
    return cfg, replace(inputs, place=replace(inputs.place, folder=folder))


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RuntimeError("out of <luck>"), "failed", "The run failed before the first step: RuntimeError: out of <luck>"),
        (Interrupted("SIGTERM", 4), "interrupted", "The run was interrupted before the first step"),
    ],
)
def test_a_run_that_ends_badly_leaves_its_page_and_its_error(
    inputs: tuple[DictConfig, Inputs], tmp_path: Path, error: BaseException, status: str, said: str
) -> None:
    with pytest.raises(type(error)) as caught, Record(*_at(inputs, tmp_path)):
        raise error
    assert caught.value is error
    assert json.loads((tmp_path / "run.json").read_text())["status"] == status
    assert said in Page(tmp_path / "report.html").words


def test_a_page_that_cannot_be_drawn_is_said_and_hides_no_error(
    inputs: tuple[DictConfig, Inputs], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "report.html").mkdir()  # a file can't take its place
    error = RuntimeError("the run's own")
    with pytest.raises(RuntimeError) as caught, Record(*_at(inputs, tmp_path)):
        raise error
    assert caught.value is error
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.startswith("The page of the run could not be drawn (IsADirectoryError: ")
    assert warning.endswith(f"This draws it: python -m ftlab task=report run={tmp_path}")


def test_the_card_says_what_was_checked_and_what_differs(inputs: tuple[DictConfig, Inputs], tmp_path: Path) -> None:
    with Record(*_at(inputs, tmp_path)):
        pass
    card = json.loads((tmp_path / "run.json").read_text())
    accounts = {account["split"]: account for account in card["check"]["accounts"]}
    assert accounts["train"]["read"] == accounts["train"]["kept"] == card["data"]["splits"]["train"]["rows"]
    assert card["changed"]["method.name"] == "qlora"
    assert card["changed"]["quantization.kind"] == "nf4"
    assert not [key for key in card["changed"] if key.startswith(("model.", "training.", "callbacks.", "output_dir"))]


def test_wandb_holds_the_page_the_tables_and_every_number(inputs: tuple[DictConfig, Inputs], tmp_path: Path) -> None:
    with Record(*_at(inputs, tmp_path)) as record:
        record.log({metric.TEST_LOSS: 0.26}, 7)
        record.add_evaluation({"perplexity": made_evaluation()["perplexity"], "format": None})
        record.add_evaluation({"format": made_evaluation()["format"]})
    assert record.wandb is not None
    assert record.wandb.local_folder is not None
    found = read_offline_run(record.wandb.local_folder)
    files = record.wandb.local_folder / "files"
    media = {key: value for row in found.history for key, value in row.items() if key.endswith(".path")}
    page = (files / media["report.path"]).read_text()
    assert page == (tmp_path / "report.html").read_text()
    table = json.loads((files / media["evaluation/perplexity.path"]).read_text())
    assert [row[0] for row in table["data"]][:3] == ["answers", "whole texts", "branch policy"]
    failures = json.loads((files / media["evaluation/format_failures.path"]).read_text())
    assert len(failures["data"]) == 3
    assert found.summary["evaluation/perplexity/answers/tuned/loss"] == 0.262
    assert found.summary["evaluation/perplexity/difference/high"] == -4.47
    assert found.summary["evaluation/format/tuned/strict"] == 0.95
    assert any("evaluation/format_causes_chart" in json.dumps(row) for row in found.history)
    assert {row["step"] for row in found.history} == {7}
