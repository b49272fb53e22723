"""Models of the hub, against a server that imitates it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from ftlab.config.compose import check_multirun, check_run, fetch_choices
from hydra_plugins.hydra_ftlab_hub import ChoiceError, NotCachedError, fetch

Compose = Callable[..., DictConfig]

CARD = "---\nlicense: apache-2.0\nextra_gated_prompt: Say yes.\n---\n# A model\n"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def said(hub_id: str, revision: str | None = None, *, offline: bool = False) -> str:
    """What is said of a model that can't be downloaded."""
    with pytest.raises(ChoiceError) as caught:
        fetch(NotCachedError(hub_id, revision), offline=offline)
    return str(caught.value)


@pytest.fixture
def filled(here: Any, llama: dict[str, Any]) -> Any:
    """The hub with a model."""
    here.repos["org/Llama-1"] = {"config.json": json.dumps(llama), "README.md": CARD}
    here.repos["org/plain"] = {"config.json": json.dumps({**llama, "max_position_embeddings": 64})}
    return here


def test_model_is_read_once_and_then_from_the_cache(filled: Any, composed: Compose) -> None:
    assert check_run(["model=org/Llama-1"]) == []
    assert [asked.split("/")[-1] for asked in filled.asked if asked.startswith("GET")] == ["config.json", "README.md"]
    asked = len(filled.asked)
    model = composed("model=org/Llama-1").model
    assert (model.name, model.path, model.revision) == ("Llama-1", "org/Llama-1", None)
    assert (model.licence, model.gated, model.context_tokens) == ("apache-2.0", True, 512)
    assert model.shape.hidden_size == 32
    assert check_run(["model=org/Llama-1", "offline=true"]) == []
    assert len(filled.asked) == asked


def test_revision_is_read_and_kept(filled: Any, composed: Compose) -> None:
    assert check_run([f"model=org/Llama-1@{COMMIT}"]) == []
    assert composed(f"model=org/Llama-1@{COMMIT}").model.revision == COMMIT
    assert said("org/Llama-1", "nope").startswith("model: must name a branch, tag or commit of 'org/Llama-1' after")


def test_revision_beside_the_choice_is_refused_with_how_to_write_it(filled: Any) -> None:
    problems = check_run(["model=org/Llama-1", "model.revision=v2"])
    assert [problem.where for problem in problems] == ["model.revision"]
    assert problems[0].fix == "Leave it out and write model=org/Llama-1@v2"
    assert check_run(["model=qwen3-8b", "model.revision=v2"]) == []


def test_model_without_a_card_has_an_unknown_licence(filled: Any, composed: Compose) -> None:
    fetch(NotCachedError("org/plain", None), offline=False)
    assert composed("model=org/plain").model.licence == "unknown"


def test_composing_by_itself_never_uses_the_network(filled: Any, composed: Compose) -> None:
    with pytest.raises(NotCachedError, match="must be in the local cache when the network is off, but 'org/Llama-1'"):
        composed("model=org/Llama-1")
    assert filled.asked == []
    assert fetch_choices(["model=org/Llama-1"]) == []
    assert composed("model=org/Llama-1").model.name == "Llama-1"


def test_every_model_of_a_sweep_is_read(filled: Any, composed: Compose) -> None:
    assert check_multirun(["model=tiny,org/Llama-1,org/plain"]) == []
    assert composed("model=org/plain").model.context_tokens == 64
    (problem,) = check_multirun(["model=org/plain,org/nope"])
    assert "the hub has no 'org/nope'" in problem.what


@pytest.mark.parametrize("overrides", [["experiment=air"], ["offline=True", "x=1"]])
def test_offline_asks_nothing_and_says_what_to_do(overrides: list[str], filled: Any, tmp_path: Path) -> None:
    air = tmp_path / "here" / "conf" / "experiment" / "air.yaml"
    air.parent.mkdir(parents=True)
    air.write_text("# @package _global_\noffline: true\n")
    (problem,) = [problem for problem in check_run(["model=org/Llama-1", *overrides]) if problem.where == "model"]
    assert "must be in the local cache when the network is off, but 'org/Llama-1' is not." in str(problem)
    assert "or give a folder: model=./folder." in problem.fix
    assert filled.asked == []


def test_environment_says_offline_too(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "must be in the local cache when the network is off" in said("org/Llama-1")
    assert filled.asked == []


def test_unreachable_hub_is_said_at_once(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
        monkeypatch.setattr(constants, name, getattr(constants, name).replace(here.url, "http://127.0.0.1:9"))
    problem = said("org/name")
    assert "must be in the local cache or be reached, but 'org/name' is not: " in problem
    assert "(http://127.0.0.1:9). Check the connection, HF_ENDPOINT and the proxy" in problem


@pytest.mark.parametrize(
    ("repo", "message"),
    [
        ("GatedRepo", "'org/x' is gated and you have no access. Accept its terms at {url}/org/x, then set HF_TOKEN"),
        ("RepoNotFound", "the hub has no 'org/x' that you may read, and there is no folder 'org/x' here. Mind the"),
        ("Broken", "or be reached, but 'org/x' is not: Server error '503 Service Unavailable'"),
        ({"adapter_config.json": "{}"}, "'org/x' has none: it holds an adapter. Choose its base, which adapter_config"),
        ({"q4.gguf": ""}, "it holds GGUF files, which are made for answering and can't be trained. Take the model"),
        ({"x.txt": ""}, "must hold a config.json, but 'org/x' has none. Give a folder that holds config.json"),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(repo: Any, message: str, here: Any) -> None:
    here.repos["org/x"] = repo
    problem = said("org/x")
    assert problem.startswith("model: must ")
    assert message.format(url=here.url) in problem


def test_faulty_config_of_the_hub_is_said_by_the_check(here: Any) -> None:
    here.repos["org/x"] = {"config.json": '{"model_type": "t5", "architectures": ["T5Model"]}'}
    (problem,) = check_run(["model=org/x"])
    assert "must be a causal language model, but 'org/x' is T5Model." in str(problem)


def test_name_that_no_hub_takes_is_refused(here: Any) -> None:
    assert "the hub has no 'a--b/c..d' that you may read" in said("a--b/c..d")
    assert here.asked == []
