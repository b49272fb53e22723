"""Everything that can be wrong with a run's input is said before weights load: where, what, and what to type."""

import json
import re
from pathlib import Path

import pytest
import torch

from ftlab.problem import InputError
from ftlab.stage.inputs import Inputs
from ftlab.stage.prepare import choose_precision, prepare
from tests.config.composition import composed

ROW = {"instruction": "Name the fee.", "input": "", "output": "Four euros."}


def _file(folder: Path, *rows: object, name: str = "mine.jsonl") -> str:
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return f"data.path={path}"


def _prepare(folder: Path, *overrides: str) -> Inputs:
    return prepare(composed(f"output_dir={folder / 'run'}", "trainer=cpu", "offline=true", *overrides))


def _refused(folder: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        _prepare(folder, *overrides)
    return str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert re.search(r"data\.path: .*nowhere\.jsonl", _refused(tmp_path, "data.path=nowhere.jsonl"))


def test_empty_file_is_named(tmp_path: Path) -> None:
    assert "mine.jsonl: must hold rows" in _refused(tmp_path, _file(tmp_path))


def test_broken_json_is_named_by_line(tmp_path: Path) -> None:
    assert "mine.jsonl:2: " in _refused(tmp_path, _file(tmp_path, ROW, '{"instruction": "open', ROW))


def test_row_without_output_is_named_by_line(tmp_path: Path) -> None:
    text = _refused(tmp_path, _file(tmp_path, ROW, {"instruction": "?", "input": "", "output": ""}))
    assert re.search(r"mine\.jsonl:2: .*output", text)


def test_wrong_field_names_come_with_their_mapping(tmp_path: Path) -> None:
    text = _refused(tmp_path, "data=alpaca", _file(tmp_path, {"question": "?", "answer": "!"}))
    assert "data.columns" in text


def test_csv_given_as_jsonl_comes_with_its_fix(tmp_path: Path) -> None:
    given = _file(tmp_path, "instruction,input,output", "a,,b", name="mine.csv")
    assert "csv" in _refused(tmp_path, given, "data.file_format=jsonl")


def test_unknown_model_folder_is_named(tmp_path: Path) -> None:
    text = _refused(tmp_path, "model=custom", f"model.path={tmp_path / 'nothing'}")
    assert "model.path: must be a folder or a hub id, but there is no folder" in text


def test_unreachable_hub_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    assert "model.path: must be in the local cache" in _refused(tmp_path, "model=llama3-8b")


def test_targets_that_match_nothing_come_with_those_that_would(tmp_path: Path) -> None:
    text = _refused(tmp_path, "method=lora", "method.target_modules=[query]")
    assert "method.target_modules" in text
    assert "q_proj" in text


def test_quantised_weights_are_refused_where_all_are_trained(tmp_path: Path) -> None:
    assert "quantization: must be none with method=full" in _refused(tmp_path, "method=full", "quantization=nf4")


def test_row_longer_than_allowed_is_named_with_its_length(tmp_path: Path) -> None:
    text = _refused(tmp_path, _file(tmp_path, *[ROW] * 9, {**ROW, "input": "far " * 2000}))
    assert re.search(r"mine\.jsonl:10: the row is \d+ tokens long", text)


def test_limit_beyond_the_models_context_is_refused(tmp_path: Path) -> None:
    text = _refused(tmp_path, "training.max_row_tokens=100000", "model.context_tokens=null")
    assert "training.max_row_tokens: must be at most" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_gpu_is_refused_where_there_is_none(tmp_path: Path) -> None:
    assert "trainer.accelerator: must be cpu or auto here" in _refused(tmp_path, "trainer=gpu")


def test_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"format": 1, "status": "done", "attempt": 1, "config": {}}')
    assert "hydra.run.dir: must be a folder without a run" in _refused(tmp_path)


def test_all_faults_are_raised_together(tmp_path: Path) -> None:
    text = _refused(tmp_path, _file(tmp_path, "{", ROW), "method=lora", "method.target_modules=[query]")
    assert "mine.jsonl:1" in text
    assert "method.target_modules" in text


def test_embedded_rows_are_ready_to_train(tmp_path: Path) -> None:
    inputs = _prepare(tmp_path)
    assert (len(inputs.train), len(inputs.validation), len(inputs.test)) == (754, 119, 62)
    assert inputs.layout == "packed"
    assert inputs.total_steps == 144
    assert all(row.targets_count for row in inputs.train)


def test_changed_row_changes_the_hash(tmp_path: Path) -> None:
    rows = [{**ROW, "input": str(number)} for number in range(12)]
    before = _prepare(tmp_path, _file(tmp_path, *rows)).data_sha256
    rows[3]["output"] = "Five euros."
    assert _prepare(tmp_path, _file(tmp_path, *rows)).data_sha256 != before


def test_method_that_needs_padding_gets_it_and_says_so(tmp_path: Path) -> None:
    inputs = _prepare(tmp_path, "method=prompt-tuning")
    assert inputs.layout == "padded"
    assert any("Rows are padded" in note for note in inputs.notes)


@pytest.mark.parametrize(("requested", "name"), [("auto", "32-true"), ("bfloat16", "bf16-mixed")])
def test_precision_on_a_cpu_is_float32_unless_asked(requested: str, name: str) -> None:
    assert choose_precision(requested, torch.device("cpu")) == name


def test_fp8_on_a_cpu_is_refused_before_weights_load(tmp_path: Path) -> None:
    assert "kernels.arithmetic: must be model on the CPU, but is 'fp8'" in _refused(tmp_path, "kernels=fp8")
