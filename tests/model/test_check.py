"""What is wrong with a model is one message with its fix, before weights are read."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import errors

from ftlab.model import check
from ftlab.model.check import check_model
from ftlab.problem import Problem
from tests.model.toy import SHAPE, save_toy

ID = "meta-llama/Meta-Llama-3-8B"


def only(problems: list[Problem]) -> str:
    (problem,) = problems
    return str(problem)


def test_a_sound_folder_has_no_problem(tmp_path: Path) -> None:
    assert check_model(path=str(save_toy(tmp_path)), max_row_tokens=128) == []


def test_a_shape_for_random_weights_has_no_problem() -> None:
    assert check_model(path=ID, weights="random", shape=SHAPE, offline=True) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    text = only(check_model(path=str(tmp_path / "none")))
    assert text.startswith("model.path: must be a folder or a hub id, but there is no folder")


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    assert "must hold a config.json" in only(check_model(path=str(tmp_path)))


def test_a_folder_with_an_adapter_points_to_the_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "set model.path to the base model" in only(check_model(path=str(tmp_path)))


def test_a_folder_without_weights_is_named_unless_weights_are_random(tmp_path: Path) -> None:
    folder = save_toy(tmp_path)
    (folder / "model.safetensors").unlink()
    assert "must hold weights" in only(check_model(path=str(folder)))
    assert check_model(path=str(folder), weights="random") == []


def test_rows_longer_than_the_context_name_both(tmp_path: Path) -> None:
    text = only(check_model(path=str(save_toy(tmp_path)), max_row_tokens=129))
    assert text == (
        "training.max_row_tokens: must be at most 128 tokens, the model's context, but is 129. "
        "Set training.max_row_tokens=128 or less."
    )


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    text = only(check_model(path=None, weights="random", shape={**SHAPE, "model_type": "lama"}))
    assert text.startswith("model.shape.model_type: must be an architecture that Transformers knows, but is 'lama'.")


def test_a_model_that_is_no_causal_language_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (tmp_path / "model.safetensors").touch()
    assert "must be a causal language model" in only(check_model(path=str(tmp_path)))


def test_broken_json_in_the_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").touch()
    assert only(check_model(path=str(tmp_path))).startswith("model.path: must be")


def test_no_network_and_no_copy_says_how_to_get_one() -> None:
    text = only(check_model(path=ID, offline=True))
    assert text == (
        f"model.path: must be in the local cache when the network is off, but '{ID}' is not. "
        "Set offline=false (and unset HF_HUB_OFFLINE) to download it, or set model.path=<folder>."
    )


def hub_error(kind: type[Exception]) -> Exception:
    if kind is errors.LocalEntryNotFoundError:
        return kind("no connection")
    request = httpx.Request("GET", "https://hub.invalid")
    return kind("refused", response=httpx.Response(403, request=request))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            errors.GatedRepoError,
            rf"gated and you have no access.*Accept the licence at https://huggingface.co/{ID}.*HF_TOKEN",
        ),
        (errors.RepositoryNotFoundError, r"the hub has no .* that you may read.*HF_TOKEN.*model.path=<folder>"),
        (errors.RevisionNotFoundError, r"model.revision: must be a branch, tag or commit.*Set model.revision=null"),
        (errors.LocalEntryNotFoundError, r"can't be reached.*Check the connection"),
    ],
)
def test_what_the_hub_refuses_is_said_with_its_fix(
    kind: type[Exception], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    def refuse(**_: Any) -> None:
        raise OSError("wrapped by Transformers") from hub_error(kind)

    monkeypatch.setattr(check, "load_config", refuse)
    monkeypatch.setattr(check, "_offline_by_environment", lambda: False)
    assert re.search(expected, only(check_model(path=ID)))


def test_code_that_comes_with_the_weights_must_be_allowed(tmp_path: Path) -> None:
    remote = {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(remote))
    (tmp_path / "model.safetensors").touch()
    text = only(check_model(path=str(tmp_path)))
    assert text.startswith("model.trust_remote_code: must be true")
