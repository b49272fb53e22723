"""Which classes a configuration may name, and whether they take its keys."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from ftlab.config import target
from tests.config.composition import composed


def faults(node: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in target.check_node(node, "node")]


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "pathlib.Path",
        "functools.partial",
        "torch.load",
        "torch.optim.lr_scheduler.math.sqrt",
        "peft.get_peft_model",
        "peft.PeftModel.from_pretrained",
        "ftlab.problem.dataclass",
        "ftlab.config.build.instantiate",
        "ftlab.config.target.importlib",
        "ftlab.config.compose.Path",
        "ftlab.app.main",
        "ftlab",
        "ftlabx.Evil",
        "lightning.pytorch.Trainer",
        "transformers.AutoModel",
        "",
    ],
)
def test_target_outside_the_list_is_refused(name: str) -> None:
    (fault,) = faults({"_target_": name})
    assert fault.startswith("node._target_: must be a class that ftlab may call") or "can't be imported" in fault


@pytest.mark.parametrize(
    "name",
    [
        "torch.optim.AdamW",
        "bitsandbytes.optim.PagedAdamW8bit",
        "transformers.optimization.Adafactor",
        "peft.LoraConfig",
        "lightning.pytorch.callbacks.Timer",
        "ftlab.method.full.FullMethod",
    ],
)
def test_target_on_the_list_passes(name: str) -> None:
    assert faults({"_target_": name}) == []


def test_target_that_is_not_there_is_named() -> None:
    (fault,) = faults({"_target_": "peft.LorConfig"})
    assert fault.startswith("node._target_: can't be imported: peft has no LorConfig.")


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_convert_"])
def test_keys_that_steer_hydra_are_refused(key: str) -> None:
    (fault,) = faults({"_target_": "torch.optim.SGD", key: []})
    assert fault.startswith(f"node.{key}: is not a key.")


def test_inner_target_is_checked_too() -> None:
    found = faults({"_target_": "peft.LoraConfig", "loftq_config": {"x": [{"_target_": "os.system"}]}})
    assert any(fault.startswith("node.loftq_config.x[0]._target_: must be a class") for fault in found)


def test_unknown_key_is_named_with_a_suggestion() -> None:
    (fault,) = faults({"_target_": "peft.LoraConfig", "exlude_modules": ["x"]})
    assert fault == "node.exlude_modules: is not a key of peft.LoraConfig. Did you mean `node.exclude_modules`?"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("r", "abc", "a whole number"),
        ("lora_dropout", "x", "a number"),
        ("bias", "some", "one of none, all, lora_only"),
        ("use_dora", 1, "true or false"),
        ("target_modules", 3, "a list of text or text or null"),
    ],
)
def test_value_of_the_wrong_type_is_named(key: str, value: Any, expected: str) -> None:
    (fault,) = faults({"_target_": "peft.LoraConfig", key: value})
    assert fault == f"node.{key}: must be {expected}, but is {value!r}."


def test_package_with_an_entry_point_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults({"_target_": "fractions.Fraction"})
    pack = EntryPoint(name="acme", value="fractions.conf", group="ftlab.conf")
    monkeypatch.setattr(target, "entry_points", lambda group: [pack] if group == "ftlab.conf" else [])
    assert faults({"_target_": "fractions.Fraction"}) == []


def test_faults_of_all_nodes_come_together() -> None:
    cfg = composed("+method.rank=3", "+optimizer.betaz=1", "+callbacks.loss.every=2", "output_dir=x")
    assert [problem.where for problem in target.check(cfg)] == [
        "method.rank",
        "optimizer.betaz",
        "callbacks.loss.every",
    ]


def test_method_keys_leave_out_what_peft_does_not_take() -> None:
    keys = target.method_keys(composed("method=lora").method)
    assert keys["r"] == 16
    assert not set(target.OWN_KEYS) & set(keys)
    assert target.method_keys(composed("method=freeze").method)["name"] == "freeze"
