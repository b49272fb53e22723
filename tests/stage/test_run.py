"""What was trained is opened again: by its own settings, beside its own base, or with a message that says why not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn

from ftlab.model.load import embedded_path
from ftlab.problem import InputError
from ftlab.stage.recall import recall
from ftlab.stage.run import OpenedRun, open_run
from ftlab.stage.trained import find_trained
from tests.config.composition import composed
from tests.reference.trained_run import tiny, write_adapter, write_rows, write_run

IDS = torch.tensor([[1, 17, 99, 256, 31, 8]])


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "mine.jsonl")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Path:
    """A run of LoRA that was made with evaluation=none and settings of its own."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    overrides = ("method=lora", "method.r=4", "evaluation=none", f"data.path={rows}", "data.validation_fraction=0.25")
    write_run(folder, *overrides, "resume=auto", "trainer=cpu", "offline=true")
    write_adapter(folder / "adapter")
    return folder


def _open(folder: Path, *overrides: str) -> OpenedRun:
    typed = ["task=evaluate", f"output_dir={folder}", "trainer=cpu", "offline=true", "logger=none", *overrides]
    return open_run(composed(*typed), typed)


def _refused(folder: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        _open(folder, *overrides)
    return str(caught.value)


def _logits(model: nn.Module, ids: Tensor = IDS) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(ids).logits
    return found


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, run: Path) -> OpenedRun:
    return _open(tmp_path_factory.mktemp("out"), f"run={run}", "evaluation.samples=1")


def test_a_run_brings_its_own_settings_and_this_command_wins(opened: OpenedRun) -> None:
    cfg = opened.cfg
    assert (cfg.method.name, cfg.method.r, cfg.quantization.name) == ("lora", 4, "none")
    assert (cfg.evaluation.name, cfg.evaluation.samples) == ("default", 1)
    assert (cfg.resume, cfg.task.name) == ("never", "evaluate")
    assert len(opened.inputs.test) == 7  # of 24 rows: data.validation_fraction is the run's
    assert opened.notes == []
    assert (opened.trained.kind, opened.card["status"]) == ("adapter", "done")


def test_the_adapter_inside_of_a_run_is_that_run(run: Path) -> None:
    assert find_trained(str(run / "adapter"), []) == find_trained(str(run), [])


@pytest.mark.parametrize("tokens", [6, 100])
def test_both_models_come_of_one_loaded_base(opened: OpenedRun, run: Path, tokens: int) -> None:
    """100 tokens go through the fused kernels, 6 don't; switched off, the adapter adds nothing either way."""
    ids = torch.arange(5, 5 + tokens)[None]
    plain = tiny()
    expected = {"base": _logits(plain, ids), "tuned": _logits(PeftModel.from_pretrained(plain, run / "adapter"), ids)}
    found, models = {}, []
    for name, model in opened.arms():
        found[name] = _logits(model, ids)
        models.append(model)
    assert list(found) == ["base", "tuned"]
    assert models[0] is models[1]
    torch.testing.assert_close(found["base"], expected["base"], rtol=0, atol=1e-4)
    torch.testing.assert_close(found["tuned"], expected["tuned"], rtol=0, atol=1e-4)
    assert not torch.allclose(found["base"], found["tuned"], atol=1e-2)


def test_an_adapter_from_elsewhere_finds_its_base_where_it_says(tmp_path: Path, rows: Path) -> None:
    folder = write_adapter(tmp_path / "mine")
    opened = _open(tmp_path / "out", f"run={folder}", f"data.path={rows}")
    assert (opened.cfg.model.name, opened.cfg.quantization.name, opened.card) == ("tiny", "none", {})
    plain = tiny()
    arms = {name: _logits(model) for name, model in opened.arms()}
    torch.testing.assert_close(arms["base"], _logits(plain), rtol=0, atol=1e-4)
    torch.testing.assert_close(arms["tuned"], _logits(PeftModel.from_pretrained(plain, folder)), rtol=0, atol=1e-4)


def test_of_whole_models_the_first_is_freed_before_the_second_loads(tmp_path: Path, rows: Path) -> None:
    tuned = tiny()
    with torch.no_grad():
        tuned.model.embed_tokens.weight.mul_(1.5)
    tuned.save_pretrained(tmp_path / "mine")
    opened = _open(tmp_path / "out", f"run={tmp_path / 'mine'}", "model=tiny", f"data.path={rows}")
    arms = opened.arms()
    name, base = next(arms)
    assert name == "base"
    torch.testing.assert_close(_logits(base), _logits(tiny()))
    name, model = next(arms)
    assert name == "tuned"
    assert {weight.device.type for weight in base.parameters()} == {"meta"}
    torch.testing.assert_close(_logits(model), _logits(tuned))


def test_what_has_changed_since_the_run_is_said_and_its_settings_are_kept(tmp_path: Path, run: Path) -> None:
    folder = write_run(tmp_path / "run", *_overrides(run), data={"sha256": "other"})
    write_adapter(folder / "adapter")
    card = json.loads((folder / "run.json").read_text())
    card["config"]["data"]["split_seed"] = 77
    (folder / "run.json").write_text(json.dumps(card))
    opened = _open(tmp_path / "out", f"run={folder}")
    assert opened.cfg.data.split_seed == 77
    setting, rows = opened.notes
    assert setting == "data.split_seed is 1 in today's configuration and 77 in the run's, which is used."
    assert "have changed since the run" in rows
    typed = ["task=evaluate", f"run={folder}", "data.split_seed=3", "output_dir=x"]
    assert recall(find_trained(str(folder), typed), typed)[0].data.split_seed == 3
    typed[2] = "data.split_seed=1"  # as today
    assert recall(find_trained(str(folder), typed), typed)[0].data.split_seed == 1


def test_what_made_the_result_can_not_be_changed_any_more(tmp_path: Path, run: Path) -> None:
    said = _refused(tmp_path, f"run={run}", "method.r=8", "optimizer.lr=1e-3")
    assert "method.r: can't be given where something trained is opened" in said
    assert "optimizer.lr: can't be given" in said


def test_what_the_run_was_started_with_and_is_no_key_any_more_is_told_as_the_runs(tmp_path: Path, run: Path) -> None:
    folder = write_run(tmp_path / "run", *_overrides(run))
    write_adapter(folder / "adapter")
    (folder / ".hydra" / "overrides.yaml").write_text("- method=lora\n- training.steps=5\n")
    said = _refused(tmp_path / "out", f"run={folder}")
    assert said.startswith("training.steps: is not a key.")
    assert f"The run in '{folder}' was started with it" in said


def test_an_interrupted_run_is_refused_with_the_command_that_goes_on(tmp_path: Path, run: Path) -> None:
    folder = write_run(tmp_path / "run", "method=lora", "training.max_steps=5", status="interrupted")
    said = _refused(tmp_path / "out", f"run={folder}")
    assert "has neither adapter nor model: the run's status is interrupted" in said
    go_on = f"python -m ftlab method=lora training.max_steps=5 resume=auto hydra.run.dir={folder}"
    assert said.endswith(f"To go on with it: {go_on}")


def test_a_failed_run_is_refused_with_its_reason(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "method=lora", status="failed", error="NonFiniteError: loss")
    assert "status is failed (NonFiniteError: loss)" in _refused(tmp_path / "out", f"run={folder}")


def test_the_folder_of_another_task_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "task=evaluate", trained={"run": "runs/x"})
    said = _refused(tmp_path / "out", f"run={folder}")
    assert said.endswith("is that of task=evaluate. What it measured is run=runs/x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": 99, "config": {}}', "must be at most 1, but is 99. Update ftlab."),
        ('{"format": 1, "conf', "can't be read"),
        ('{"format": 1}', "has no 'config'"),
    ],
)
def test_a_card_of_another_format_is_refused(tmp_path: Path, content: str, said: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "run.json").write_text(content)
    assert said in _refused(tmp_path / "out", f"run={folder}")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "run: must name what was trained, but is null" in _refused(tmp_path)
    assert "is not there" in _refused(tmp_path, f"run={tmp_path / 'nowhere'}")
    file = write_rows(tmp_path / "rows.jsonl")
    assert "is a file" in _refused(tmp_path, f"run={file}")
    (tmp_path / "empty").mkdir()
    assert "holds none of them" in _refused(tmp_path, f"run={tmp_path / 'empty'}")


def test_a_run_that_was_copied_in_parts_is_refused(tmp_path: Path, run: Path) -> None:
    folder = write_run(tmp_path / "run", *_overrides(run))
    write_adapter(folder / "adapter")
    weights = folder / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "adapter_model.safetensors' can't be read" in _refused(tmp_path / "out", f"run={folder}")
    weights.unlink()
    assert "adapter_model.safetensors' can't be read" in _refused(tmp_path / "out", f"run={folder}")
    (folder / ".hydra" / "overrides.yaml").write_text("- [open")
    assert "/.hydra' can't be read" in _refused(tmp_path / "out", f"run={folder}")
    (folder / ".hydra" / "overrides.yaml").unlink()
    assert "lacks overrides.yaml" in _refused(tmp_path / "out", f"run={folder}")


def test_a_whole_model_without_its_weights_or_its_base_is_refused(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path / "mine")
    assert "doesn't say what it was trained from" in _refused(tmp_path, f"run={tmp_path / 'mine'}")
    (tmp_path / "mine" / "model.safetensors").unlink()
    assert "lacks config.json or files of weights" in _refused(tmp_path, f"run={tmp_path / 'mine'}", "model=tiny")


def test_a_base_with_other_weights_is_refused(tmp_path: Path, run: Path, rows: Path) -> None:
    other = tmp_path / "base"
    model = tiny()
    model.save_pretrained(other)
    for file in embedded_path().iterdir():
        if not (other / file.name).exists():
            (other / file.name).write_bytes(file.read_bytes())
    with torch.no_grad():
        model.lm_head.weight.add_(1.0)
    model.save_pretrained(other)
    said = _refused(tmp_path / "out", f"run={run}", "model=custom", f"model.path={other}")
    assert f"must be the base that the run began with, but the weights in '{other}' are others" in said


def test_an_adapter_on_a_base_of_other_size_is_refused_together_with_all_else(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "mine")
    small: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96}
    config = json.loads((embedded_path() / "config.json").read_text()) | small
    other = tmp_path / "base"
    other.mkdir()
    for file in embedded_path().iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "config.json").write_text(json.dumps(config))
    said = _refused(tmp_path / "out", f"run={folder}", "model=custom", f"model.path={other}", "data.path=nowhere.jsonl")
    assert "model: must be the base that the adapter was made for" in said
    assert "takes 64 values, the adapter's" in said
    assert "data.path: " in said


def test_an_adapter_whose_base_is_elsewhere_asks_for_it(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "mine")
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "org/large"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    assert "Add model=custom model.path=org/large" in _refused(tmp_path / "out", f"run={folder}")


def _overrides(run: Path) -> list[str]:
    from omegaconf import OmegaConf

    return [str(word) for word in OmegaConf.load(run / ".hydra" / "overrides.yaml")]
