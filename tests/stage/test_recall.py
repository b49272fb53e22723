"""A run's configuration is composed again: what it was started with means what it meant, and what is typed now wins."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from ftlab.stage.recall import recall, rooted
from ftlab.stage.trained import find_trained
from tests.reference.trained_run import write_rows, write_run


def _recalled(folder: Path, *typed: str, by: tuple[str, ...]) -> tuple[DictConfig, list[str]]:
    """The configuration of a run that was started `by` these overrides, with others typed now."""
    run = write_run(folder / "run", "method=lora", *by)
    _whole(run)
    words = ["task=evaluate", f"run={run}", "output_dir=out", *typed]
    return recall(find_trained(str(run), words), words)


def _whole(run: Path) -> None:
    """Stands for a result: nothing here reads its weights."""
    (run / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (run / "model" / name).write_text("{}")


def test_evaluation_of_the_run_comes_back_unless_it_was_none(tmp_path: Path) -> None:
    cfg, notes = _recalled(tmp_path / "1", by=("evaluation=lm-eval", "evaluation.tasks=[mine]"))
    assert (cfg.evaluation.name, list(cfg.evaluation.tasks), notes) == ("lm-eval", ["mine"], [])
    cfg, _ = _recalled(tmp_path / "2", by=("evaluation=none", "evaluation.max_new_tokens=7"))
    assert (cfg.evaluation.name, cfg.evaluation.max_new_tokens) == ("default", 7)


def test_choice_typed_now_takes_along_what_the_run_had_set_inside_of_the_group(tmp_path: Path) -> None:
    by = ("evaluation=lm-eval", "evaluation.tasks=[mine]", "evaluation.perplexity=false", "model.lr_multiplier=3")
    cfg, notes = _recalled(tmp_path, "evaluation=perplexity", by=by)
    assert (cfg.evaluation.perplexity, "tasks" in cfg.evaluation, cfg.model.lr_multiplier) == (True, False, 3)
    assert notes == []


def test_model_typed_now_is_not_overruled_by_that_of_the_run(tmp_path: Path) -> None:
    by = ("model=custom", "model.path=base", "model.chat_template=default")
    cfg, notes = _recalled(tmp_path / "1", "model=tiny", by=by)
    assert (cfg.model.name, cfg.model.path, cfg.model.chat_template, notes) == ("tiny", None, None, [])
    same, _ = _recalled(tmp_path / "2", "model=custom", "model.path=other", by=by)  # the run's choice: its rest stays
    assert (same.model.path, same.model.chat_template) == ("other", "default")


def test_relative_paths_of_the_run_begin_where_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there, here):
        folder.mkdir()
        write_rows(folder / "mine.jsonl")
    (there / "rows").mkdir()
    write_rows(there / "rows" / "a.jsonl")
    monkeypatch.chdir(there)
    by = ("data.path=mine.jsonl", "data.test_path='rows/*.jsonl'", "data.mix=[{path: rows/a.jsonl, weight: 1}]")
    run = write_run(there / "run", "method=lora", *by, "data.schema=gone.json")
    _whole(run)
    typed = ["task=evaluate", "run=run", "output_dir=out"]
    assert recall(find_trained("run", typed), typed)[0].data.path == "mine.jsonl"  # typed where it was started
    monkeypatch.chdir(here)
    trained = find_trained("../there/run", typed)
    cfg, notes = recall(trained, typed)
    data = cfg.data
    assert (data.path, data.test_path) == (f"{there}/mine.jsonl", f"{there}/rows/*.jsonl")
    assert (data.mix[0].path, data.schema, notes) == (f"{there}/rows/a.jsonl", "gone.json", [])
    mine = [*typed, "data.path=mine.jsonl"]
    assert recall(trained, mine)[0].data.path == "mine.jsonl"  # typed now: as here


@pytest.mark.parametrize("value", ["auto", "default", "", None, 3, "/absolute", "nowhere.jsonl"])
def test_what_is_no_relative_path_or_leads_nowhere_is_left_alone(tmp_path: Path, value: Any) -> None:
    (tmp_path / "auto").mkdir()
    assert rooted(value, tmp_path) == value
    assert rooted("auto", tmp_path, "name") == "auto"


def test_run_folder_that_does_not_say_where_it_was_started_is_read_as_from_here(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "method=lora")
    _whole(run)
    (run / ".hydra" / "hydra.yaml").write_text("hydra: {job: {config_name: config}}")
    assert find_trained(str(run), []).started_in is None
