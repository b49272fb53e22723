"""lm-eval on the loaded model: bad input is said before weights load, results are taken apart, real tasks run."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model

from ftlab.evaluation.harness import TaskScore, check_tasks, read_results, run_tasks, section
from ftlab.kernels.attention import plain_attention
from ftlab.model.load import load_model
from ftlab.model.tokenizer import load_tokenizer

is_installed = importlib.util.find_spec("lm_eval") is not None
needs_lm_eval = pytest.mark.skipif(not is_installed, reason="lm-eval isn't installed: pip install 'ftlab[lm-eval]'")

MADE: dict[str, Any] = {
    "results": {
        "rules": {
            "name": "rules", "alias": "rules", "sample_len": 8, "acc,none": 0.75, "acc_stderr,none": 0.1637,
            "acc_norm,none": 1.0, "acc_norm_stderr,none": "N/A",
        },
        "codes": {"alias": "codes", "exact_match,strict": 0.5, "exact_match_stderr,strict": 0.1},
    },
    "groups": {"both": {"alias": "both", "acc,none": 0.6}},
    "n-samples": {"rules": {"original": 9, "effective": 8}},
    "higher_is_better": {"rules": {"acc": True, "acc_norm": True}},
}  # fmt: skip
"""Made by hand in the form of what `lm_eval.simple_evaluate` (0.4.13) returns: its keys, but numbers of ours."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one multiple-choice task of four questions, its rows beside it."""
    rows = [
        {"question": f"What is the capital of {land}?", "choices": [" Rome.", " Berlin."], "label": label}
        for land, label in (("Italy", 0), ("Germany", 1), ("Italy", 0), ("Germany", 0))
    ]
    data = tmp_path / "capitals.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "capitals.yaml").write_text(
        f"task: capitals\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: '{{question}}'\ndoc_to_choice: '{{choices}}'\n"
        "doc_to_target: label\nmetric_list: [{metric: acc}]\n"
    )
    (tmp_path / "broken.yaml").write_text(
        "task: broken\ndataset_path: json\ndataset_kwargs: {data_files: {test: nowhere.jsonl}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: a\ndoc_to_choice: [a, b]\ndoc_to_target: 0\n"
    )
    return tmp_path


def test_each_task_and_metric_is_one_entry_with_its_error() -> None:
    assert list(read_results(MADE)) == [
        TaskScore("rules", "acc", 0.75, 0.1637, 8, True),
        TaskScore("rules", "acc_norm", 1.0, None, 8, True),
        TaskScore("codes", "exact_match (strict)", 0.5, 0.1, None, None),
        TaskScore("both", "acc", 0.6, None, None, None),
    ]


def test_base_and_tuned_stand_side_by_side() -> None:
    tuned = [TaskScore("rules", "acc", 0.75, 0.1, 8, True), TaskScore("codes", "em", 0.5, None, 4, None)]
    base = [TaskScore("rules", "acc", 0.5, None, 8, True)]
    first, second = section(base, tuned)
    assert first == {
        "task": "rules", "metric": "acc", "rows": 8, "higher_is_better": True,
        "base": {"value": 0.5, "stderr": None}, "tuned": {"value": 0.75, "stderr": 0.1},
    }  # fmt: skip
    assert (second["base"], second["tuned"]) == (None, {"value": 0.5, "stderr": None})
    assert section(None, tuned)[0]["base"] is None


@pytest.mark.skipif(is_installed, reason="lm-eval is installed")
def test_without_lm_eval_the_command_that_installs_it_is_said() -> None:
    (problem,) = check_tasks(["hellaswag"], None)
    assert "pip install 'ftlab[lm-eval]'" in str(problem)


@needs_lm_eval
def test_folder_and_tasks_that_are_not_there_are_said(folder: Path) -> None:
    assert "evaluation.task_folder: must be a folder" in str(check_tasks(["capitals"], str(folder / "no"))[0])
    assert "must name at least one task" in str(check_tasks([], str(folder))[0])
    (problem,) = check_tasks(["broken"], str(folder))
    assert "'broken' can't" in str(problem)
    assert "nowhere.jsonl" in str(problem)
    assert check_tasks(["capi*"], str(folder)) == []


@needs_lm_eval
@pytest.mark.filterwarnings("default")  # lm-eval's own
def test_own_task_runs_on_the_loaded_adapter_model_offline(folder: Path) -> None:
    model = get_peft_model(load_model(path=None, device="cpu"), LoraConfig(task_type="CAUSAL_LM")).eval()
    plain_attention(model)
    tokenizer, _ = load_tokenizer(path=None)
    (score,) = run_tasks(model, tokenizer, ["capitals"], task_folder=str(folder))
    assert (score.task, score.metric, score.rows) == ("capitals", "acc", 4)
    assert score.value == pytest.approx(0.75)  # the last row's answer is wrong on purpose
    (first,) = run_tasks(model, tokenizer, ["capitals"], task_folder=str(folder), most_rows=2, chat_template=True)
    assert first.rows == 2
