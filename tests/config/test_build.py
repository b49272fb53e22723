"""Objects from nodes."""

import json
from pathlib import Path

import peft
import pytest
import torch

from ftlab.config.build import build, build_all, build_method
from ftlab.method.freeze import FreezeMethod
from ftlab.method.peft import PeftMethod
from ftlab.problem import InputError
from tests.config.composition import composed


def test_optimizer_is_a_factory_that_takes_parameters() -> None:
    factory = build(composed("method=lora", "optimizer.lr=1e-3").optimizer, "optimizer")
    optimizer = factory([torch.nn.Parameter(torch.ones(2))])
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["lr"] == 1e-3


def test_peft_config_gets_plain_values() -> None:
    method = build_method(composed("method=article").method, total_steps=5)
    assert isinstance(method, PeftMethod)
    assert method.name == "article"
    assert isinstance(method._config, peft.LoraConfig)
    json.dumps(method._config.to_dict(), default=list)  # no OmegaConf objects inside


def test_own_keys_reach_the_method() -> None:
    method = build_method(composed("method=lora-plus").method, total_steps=5)
    assert method.lr_multipliers == {"lora_B": 16.0}


def test_own_method_is_built_as_it_is() -> None:
    method = build_method(composed("method=freeze", "method.last_layers=3").method, total_steps=5)
    assert isinstance(method, FreezeMethod)
    assert method.last_layers == 3


def test_group_gives_each_target_what_it_takes_and_its_node_leaves_open(tmp_path: Path) -> None:
    cfg = composed("logger=none", "callbacks=[loss,checkpoint]", "output_dir=mine")
    built = build_all(cfg.callbacks, "callbacks", every_steps=2, eval_every_steps=4, folder=tmp_path, unused=object())
    assert list(built) == ["loss", "checkpoint"]
    assert str(built["checkpoint"].folder) == "mine/checkpoints"
    assert built["checkpoint"]._every_steps == 2


def test_missing_argument_is_named() -> None:
    with pytest.raises(InputError, match=r"logger\.wandb\.folder: must be given: ftlab\.logger\.wandb\.WandbRun"):
        build(composed().logger.wandb, "logger.wandb")


def test_refused_value_is_the_users_to_mend() -> None:
    node = {"_target_": "torch.optim.SGD", "params": [torch.nn.Parameter(torch.ones(1))], "momentum": -1.0}
    with pytest.raises(InputError, match=r"optimizer: was refused by torch\.optim\.SGD: Invalid momentum value: -1\.0"):
        build({key: value for key, value in node.items() if key != "params"}, "optimizer", params=node["params"])


def test_target_outside_the_list_is_never_called() -> None:
    with pytest.raises(InputError, match="must be a class that ftlab may call"):
        build({"_target_": "os.system", "command": "exit 1"}, "x")
