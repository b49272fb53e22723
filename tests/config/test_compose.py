"""Overrides that Hydra refuses, in our words, all at once."""

from pathlib import Path

import pytest

from ftlab.config import compose


def faults(*overrides: str) -> list[str]:
    return [str(problem) for problem in compose.check_run(list(overrides))]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=lama3-8b", "model: must be one of its choices, but is 'lama3-8b'. Did you mean model=llama3-8b?"),
        ("experiment=nope", "experiment: must be one of its choices, but is 'nope'. Choices: demo-lora-r64."),
        ("logger=[wandb,tensorbord]", "logger: must be one of its choices, but is 'tensorbord'. Did you mean logger="),
        ("methd=lora", "methd: is not a key. Did you mean `method`?"),
        ("training.epoch=2", "training.epoch: is not a key. Did you mean `training.epochs`?"),
        ("trainig.epochs=2", "trainig.epochs: is not a key. Did you mean `training.epochs`?"),
        ("method.exclude_modules=[a]", "method.exclude_modules: is not a key. To set a key of peft.LoraConfig that"),
        ("+training.epochs=3", "training.epochs: is a key already. Leave out the +: training.epochs=3"),
        ("~training.epoch", "training.epoch: is not a key, so it can't be left out."),
        ("method.lr_multipliers=[1]", "method.lr_multipliers: can't be [1]: Cannot merge "),
        ("method=lora,qlora", "method: must be one value, but is lora,qlora. Add -m to run each of them"),
        ("training.max_steps=range(1,4)", "training.max_steps: must be one value, but is range(1,4). Add -m"),
        ("model=[tiny,custom]", "model: must be one choice, but is [tiny,custom]. Name one, or run each with -m."),
        ("qlora", "qlora: must be key=value. Did you mean method=qlora?"),
        ("nonsense", "nonsense: must be key=value."),
        ("training.epochs=[1", "training.epochs: can't be read: [1 Quote values that hold spaces"),
        (
            'x=[王医生,"Dr. Li"]',
            'x: can\'t be read: [王医生,"Dr. Li"] Quote values that hold spaces, commas, =, brackets or '
            'letters beyond ASCII: \'x=["王医生","Dr. Li"]\'',
        ),
        ("model=null", "model: can't be null"),
    ],
)
def test_refused_override_is_explained(override: str, message: str) -> None:
    (fault,) = faults(override)
    assert fault.startswith(message)


def test_sound_overrides_have_no_faults() -> None:
    assert faults() == []
    assert faults("method=freeze", "method.last_layers=3", "logger=[wandb,tensorboard]", "data.path=mine.jsonl") == []


def test_order_of_overrides_does_not_matter() -> None:
    assert faults("method.last_layers=3", "method=freeze") == []
    (fault,) = faults("method.last_layers=3", "method=freeze", "training.epoch=1")
    assert fault.startswith("training.epoch")


def test_faults_of_overrides_and_of_values_come_together() -> None:
    found = faults("model=lama3-8b", "training.epoch=2", "+seeed=1", "optimizer.lr=abc", "trainer.devices=0")
    assert sorted(fault.partition(":")[0] for fault in found) == [
        "model",
        "optimizer.lr",
        "seeed",
        "trainer.devices",
        "training.epoch",
    ]


def test_keys_of_a_mistyped_choice_are_not_blamed() -> None:
    (fault,) = faults("method=freez", "method.last_layers=3")
    assert fault.startswith("method: must be one of its choices")


def test_multirun_finds_the_mistyped_job_before_the_first_starts() -> None:
    found = compose.check_multirun(["method=lora,qloora", "training.epochs=1,2"])
    assert [problem.where for problem in found] == ["method"]


def test_multirun_leaves_what_a_job_holds_to_the_job() -> None:
    assert compose.check_multirun(["method=full,lora", "quantization=nf4"]) == []


def test_another_primary_config_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\n", encoding="utf-8")
    found = [problem.where for problem in compose.check_run([], folder=tmp_path)]
    assert "model" in found
    assert "seed" not in found
