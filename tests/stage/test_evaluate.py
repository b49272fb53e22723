"""A run is measured again: what is in its folder afterwards, and that nothing of the run's own folder changes."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from peft import PeftModel
from rich.console import Console

from ftlab.data.encoded_store import StoredEncodedRows
from ftlab.data.row import EncodedRow
from ftlab.problem import InputError
from ftlab.report.details import print_details
from ftlab.stage.evaluate import conclude_evaluation, evaluate, left_out, refuse_nothing
from ftlab.stage.general import GeneralRows
from ftlab.stage.held_out import held_out_rows, rows_to_judge
from ftlab.stage.outcome import comparisons, format_section, metrics_of, perplexity_section
from ftlab.stage.record import Record
from ftlab.stage.run import OpenedRun, open_run
from ftlab.stage.score import Score, score
from tests.config.composition import composed
from tests.reference.nll import row_nll
from tests.reference.trained_run import tiny, write_adapter, write_rows, write_run

SCHEMA = {"type": "object", "required": ["box", "euros"], "properties": {"euros": {"type": "integer"}}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    rows = write_rows(root / "mine.jsonl", 40)
    (root / "schema.json").write_text(json.dumps(SCHEMA))
    schema = f"data.schema={root / 'schema.json'}"
    folder = write_run(root / "run", "method=lora", f"data.path={rows}", schema, "data.validation_fraction=0.2")
    write_adapter(folder / "adapter")
    return folder


def _open(folder: Path, run: Path, *overrides: str) -> OpenedRun:
    typed = [
        "task=evaluate", f"run={run}", f"output_dir={folder}", "trainer=cpu", "offline=true", "logger=none",
        "evaluation.general.path=null", "evaluation.general.probe=null", "evaluation.max_new_tokens=8", *overrides,
    ]  # fmt: skip
    return open_run(composed(*typed), typed)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, run: Path) -> tuple[Path, OpenedRun, dict[str, Score]]:
    """An evaluation of everything."""
    folder = tmp_path_factory.mktemp("out") / "evaluation"
    before = _contents(run)
    opened = _open(folder, run, "evaluation.format_rows=3", "evaluation.logits_gb=0.0002")
    with Record(opened.cfg, opened.inputs) as record:
        scores = evaluate(opened, record)
        conclude_evaluation(opened, record, scores)
    assert _contents(run) == before
    return folder, opened, scores


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _slow(run: Path, rows: StoredEncodedRows, whole: bool) -> dict[str, float]:
    """Loss of base and tuned, one row and one token at a time."""
    chosen = [EncodedRow(row.id, row.ids, torch.ones_like(row.supervised) if whole else row.supervised) for row in rows]
    tokens = sum(row.targets_count for row in chosen)
    found = {}
    model: Any = tiny()
    for name in ("base", "tuned"):
        if name == "tuned":
            model = PeftModel.from_pretrained(model, run / "adapter")
        with torch.no_grad():
            found[name] = sum(row_nll(model, row).item() for row in chosen) / tokens
    return found


@pytest.mark.parametrize(("key", "whole"), [("answers", False), ("text", True)])
def test_losses_equal_a_loop_over_rows_and_tokens(
    done: tuple[Path, OpenedRun, dict[str, Score]], run: Path, key: str, whole: bool
) -> None:
    folder, opened, _ = done
    section = json.loads((folder / "evaluation.json").read_text())["evaluation"]["perplexity"][key]
    for name, loss in _slow(run, opened.inputs.test, whole).items():
        assert section[name]["loss"] == pytest.approx(loss, abs=1e-4)
        assert section[name]["rows"] == len(opened.inputs.test)
        assert section[name]["low"] < section[name]["perplexity"] < section[name]["high"]


def test_folder_holds_the_same_in_every_file(done: tuple[Path, OpenedRun, dict[str, Score]], run: Path) -> None:
    folder, opened, scores = done
    written = json.loads((folder / "evaluation.json").read_text())
    card = json.loads((folder / "run.json").read_text())
    assert written["run"] == str(run)
    assert card["evaluation"] == written["evaluation"]
    assert (card["status"], card["config"]["task"]["name"]) == ("done", "evaluate")
    assert card["trained"] == {"run": str(run), "result": str(run / "adapter"), "kind": "adapter"}
    assert (folder / "report.html").is_file()
    with (folder / "metrics.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    values = {**metrics_of(scores["base"], of_base=True), **metrics_of(scores["tuned"], of_base=False)}
    assert {key: float(row[key]) for key in values} == pytest.approx(values)
    assert values["test/text_loss_base"] == written["evaluation"]["perplexity"]["text"]["base"]["loss"]
    assert int(row["step"]) == opened.inputs.total_steps


def test_json_rows_are_judged_with_the_runs_schema(done: tuple[Path, OpenedRun, dict[str, Score]]) -> None:
    folder, _, scores = done
    found = json.loads((folder / "evaluation.json").read_text())["evaluation"]["format"]
    assert (found["asked"], found["of"], found["wants"]) == (3, 4, "json")
    for name in ("base", "tuned"):
        judged = found[name]
        assert judged["schema"] == 0  # measured, not None
        assert len(judged["failures"]) == sum(judged["causes"].values()) == 3
        assert all(failure["where"].rpartition(":")[0].endswith("mine.jsonl") for failure in judged["failures"])
    assert len(json.loads((folder / "evaluation.json").read_text())["evaluation"]["samples"]) == 3
    shown = {line.name.strip(): line for line in comparisons(scores["base"], scores["tuned"])}
    assert "strict JSON, 3 of 4 answers" in shown
    assert shown["fits the schema"].tuned == "0 %"


def test_text_answers_are_judged_by_their_references(done: tuple[Path, OpenedRun, dict[str, Score]]) -> None:
    _, opened, _ = done
    cfg = OmegaConf.merge(opened.cfg, {"evaluation": {"format": "text", "format_rows": 2, "perplexity": False}})
    assert isinstance(cfg, DictConfig)
    ((name, model),) = opened.arms(base=False)
    tuned = score(cfg, opened.inputs, model)
    assert name == "tuned"
    assert perplexity_section(opened.inputs, None, tuned) is None
    found = format_section(None, tuned)
    assert found is not None
    assert (found["asked"], found["of"], found["wants"], found["base"]) == (2, 12, "text", None)
    assert found["tuned"]["strict"] is None
    assert 0 <= found["tuned"]["rouge_l"] <= 1


def test_judged_rows_are_drawn_from_every_source_and_the_same_whatever_the_training_seed(
    tmp_path: Path, run: Path
) -> None:
    mine, other = write_rows(tmp_path / "mine.jsonl", 60), tmp_path / "other.jsonl"
    other.write_text(mine.read_text().replace("box", "crate").replace("Box", "Crate"))
    given = (f"data.path={mine}", f"data.mix=[{{path: {other}, format: prompt-completion, validation: true}}]")
    opened = _open(tmp_path, run, *given, "data.schema=null", "evaluation.format_rows=6")
    judging = rows_to_judge(opened.cfg, opened.inputs)
    fitting = [row for row in held_out_rows(opened.inputs)[0] if row.messages[-1].content.startswith("{")]
    assert (judging.wants, len(judging.rows), judging.fitting) == ("json", 6, len(fitting))
    crates, all_crates = (sum("crate" in row.messages[0].content for row in rows) for rows in (judging.rows, fitting))
    assert abs(crates - 6 * all_crates / len(fitting)) < 1
    assert judging.rows != fitting[:6]
    seeded = opened.cfg.copy()
    seeded.seed = 99
    assert rows_to_judge(seeded, opened.inputs) == judging
    seeded.data.split_seed = 99
    assert rows_to_judge(seeded, opened.inputs) != judging


def test_what_can_not_be_judged_is_said(done: tuple[Path, OpenedRun, dict[str, Score]]) -> None:
    _, opened, _ = done
    cfg, inputs = opened.cfg, opened.inputs
    short = cfg.evaluation.max_new_tokens  # the fixture's 8 cut every one
    (note,) = left_out(cfg, inputs)
    assert note.startswith(f"3 of 3 references are too long for evaluation.max_new_tokens={short}, so")
    cfg = cfg.copy()
    cfg.evaluation.max_new_tokens = int(note.partition("fail: evaluation.max_new_tokens=")[2].split()[0])
    assert left_out(cfg, inputs) == []
    text = [row for row in inputs.rows.test if not row.messages[-1].content.startswith("{")]
    (note,) = left_out(cfg, replace(inputs, rows=replace(inputs.rows, test=text)))
    assert "evaluation.format=text" in note
    (note,) = left_out(cfg, replace(inputs, test=[], validation=[]))
    assert "No rows are held out" in note
    assert "all figures are of the validation rows" in left_out(cfg, replace(inputs, test=[]))[0]


def test_rows_that_were_left_out_are_not_asked_either(tmp_path: Path, run: Path) -> None:
    file = write_rows(tmp_path / "test.jsonl", 2)
    long = {"prompt": "What does the box cost? " * 100, "completion": "It costs 9 euros."}
    file.write_text(f"{json.dumps(long)}\n{file.read_text().replace('What does', 'Now what does')}")
    opened = _open(tmp_path, run, f"data.test_path={file}", "data.long_rows=drop", "training.max_row_tokens=60")
    rows, encoded = held_out_rows(opened.inputs)
    assert [row.origin.rpartition(":")[2] for row in rows] == ["2", "3"]
    assert [row.id for row in rows] == encoded.row_ids.tolist()


def test_command_that_would_measure_nothing_is_refused(done: tuple[Path, OpenedRun, dict[str, Score]]) -> None:
    _, opened, _ = done
    refuse_nothing(opened)
    nothing = opened.cfg.copy()
    nothing.evaluation.update({"name": "none", "perplexity": False, "samples": 0, "format_rows": 0})
    with pytest.raises(InputError, match="evaluation=none with these settings measures nothing"):
        refuse_nothing(replace(opened, cfg=nothing))
    without = replace(opened.inputs, test=[], validation=[])
    with pytest.raises(InputError, match="data: must hold out rows"):
        refuse_nothing(replace(opened, inputs=without))
    refuse_nothing(replace(opened, inputs=replace(without, general=GeneralRows([], [[1]], ["yes"], 4, (), ()))))


def test_terminal_shows_lengths_every_measure_and_causes(done: tuple[Path, OpenedRun, dict[str, Score]]) -> None:
    sections = json.loads((done[0] / "evaluation.json").read_text())["evaluation"]
    sections["perplexity"]["lengths"] = [{**sections["perplexity"]["lengths"][0], "name": name} for name in "ab"]
    sections["format"]["tuned"]["failures"][0]["answer"] = "[bold]{" + "x" * 500
    console = Console(record=True, width=80, file=StringIO())
    print_details(console, sections)
    said = console.export_text()
    cause = next(iter(sections["format"]["tuned"]["causes"]))
    for text in (
        "by length of the row",
        "fits the schema",
        "mean length, tokens",
        "ROUGE-L",
        "[bold]{",
        cause.split()[0],
    ):
        assert text in said
    assert "Perplexity by source" not in said  # there is one
    assert max(map(len, said.splitlines())) <= 80
