"""Folders and files as choices: what is composed of them, and what is said where they are none."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from ftlab.config.compose import check_run
from ftlab.config.folder import CONF_DIR
from ftlab.memory.shape import shape_of
from ftlab.problem import InputError
from hydra_plugins.hydra_ftlab_hub import ChoiceError, rooted
from hydra_plugins.hydra_ftlab_hub._choice import hub_id, is_path, name_of
from hydra_plugins.hydra_ftlab_hub.hub import HubSource

pytestmark = pytest.mark.usefixtures("here")

Make = Callable[..., Path]
Compose = Callable[..., DictConfig]


def read(choice: str, group: str = "model") -> Any:
    """A choice's node before Hydra puts it into the rest."""
    place = "paths" if is_path(choice) else "names"
    return HubSource("ftlab-hub", f"ftlab-hub://{place}").load_config(f"{group}/{choice}").config


def said(choice: str) -> str:
    """What is said of a choice that can't be read."""
    with pytest.raises(ChoiceError) as caught:
        read(choice)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Qwen/Qwen3-8B", "Qwen3-8B"),
        ("/data/my models/llama 3", "llama-3"),
        ("/c/models--Qwen--Qwen3-8B/snapshots/0123", "Qwen3-8B"),
        ("runs/2026-01-01/12-00-00-train-tiny-full/model", "12-00-00-train-tiny-full-model"),
        ("/", "model"),
        ("../..", "model"),
        ("/数据/模型", "模型"),
        ("/a/${oc.env:HOME}", "oc.env-HOME"),
    ],
)
def test_name_is_the_last_part_that_says_something(text: str, name: str) -> None:
    assert name_of(text) == name


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("Qwen/Qwen3-8B", ("Qwen/Qwen3-8B", None)),
        ("Qwen/Qwen3-8B/", ("Qwen/Qwen3-8B", None)),
        ("a/b@refs/pr/1", ("a/b", "refs/pr/1")),
        ("a/b/c", None),
        ("a/b@", None),
        ("a b/c", None),
        ("a/*.jsonl", None),
    ],
)
def test_hub_id_is_two_words_and_perhaps_a_revision(choice: str, found: tuple[str, str | None] | None) -> None:
    assert hub_id(choice) == found


@pytest.mark.parametrize(
    ("place", "choice"),
    [("m", "./m"), ("m", "m/"), ("m", "../here/m"), ("a/b/c", "a/b/c"), ("org/name", "org/name"), ("tiny", "./tiny")],
)
def test_folder_is_a_model_however_it_is_written(place: str, choice: str, folder: Make) -> None:
    absolute = folder(place)
    assert read(choice).path == str(absolute)
    assert read(str(absolute)) == read(choice)


def test_home_folder_and_names_with_spaces_are_read(
    folder: Make, composed: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "here"))
    place = folder("my m=1")
    model = composed("model='~/my m=1'").model
    assert (model.path, model.name) == (str(place), "my-m-1")


def test_node_has_every_key_of_the_shipped_ones(folder: Make, composed: Compose, llama: dict[str, Any]) -> None:
    place = folder("m", **{"README.md": "---\nlanguage:\n- en\nlicense: other\nlicense_name: acme-1\n---\n# M\n"})
    model = composed("model=./m", "model.dtype=float16", "model.shape.num_hidden_layers=3").model
    assert set(model) == set(OmegaConf.load(CONF_DIR / "model" / "custom.yaml"))
    assert model.name == "m"
    assert model.path == str(place)
    assert model.licence == "acme-1"
    assert model.context_tokens == 512
    assert model.dtype == "float16"
    assert model.chat_template is None
    dropped = {"architectures", "torch_dtype", "transformers_version"}
    expected = {key: value for key, value in llama.items() if key not in dropped} | {"num_hidden_layers": 3}
    assert OmegaConf.to_container(model.shape) == expected


def test_shape_builds_the_same_model_as_the_folder(folder: Make) -> None:
    from ftlab.model.load import build_skeleton, load_config

    model = read(str(folder()))
    shape = OmegaConf.to_container(model.shape)
    of_shape = build_skeleton(load_config(path=None, weights="random", shape=shape))
    of_folder = build_skeleton(load_config(path=model.path))
    sizes = {name: tuple(weight.shape) for name, weight in of_folder.state_dict().items()}
    assert {name: tuple(weight.shape) for name, weight in of_shape.state_dict().items()} == sizes
    assert shape_of(shape).parameters == sum(weight.numel() for weight in of_folder.parameters())


def test_model_of_several_parts_has_the_context_of_its_text_part(folder: Make) -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 8, "max_position_embeddings": 99, "dtype": "bfloat16"}
    folder("g", {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": text})
    model = read("./g")
    assert model.context_tokens == 99
    assert model.shape.text_config == {"model_type": "gemma3_text", "hidden_size": 8, "max_position_embeddings": 99}


def test_shipped_choice_stays_what_it_is_beside_a_folder_of_its_name(folder: Make, composed: Compose) -> None:
    place = folder("tiny")
    assert composed("model=tiny").model.path is None
    assert composed("model=./tiny").model.path == str(place)


def test_recipe_and_own_yaml_build_on_a_folder(folder: Make, composed: Compose, tmp_path: Path) -> None:
    folder()
    conf = tmp_path / "here" / "conf"
    for name, text in {
        "experiment/mine.yaml": "# @package _global_\ndefaults: [{override /model: mine}, {override /data: r.csv}]\n",
        "model/mine.yaml": "defaults: [./m@_here_, _self_]\nname: mine\nshape: {num_hidden_layers: 1}\n",
    }.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text(text)
    cfg = composed("experiment=mine")
    assert (cfg.model.name, cfg.data.path) == ("mine", "r.csv")
    assert cfg.model.shape == {**read("./m").shape, "num_hidden_layers": 1}


@pytest.mark.parametrize(
    ("files", "choice", "message"),
    [
        ({}, "./nope", "there is no folder '{here}/nope'. Correct the path; a hub id is written org/name."),
        ({}, "a/b/c", "there is no folder '{here}/a/b/c'."),
        ({"d/x.txt": ""}, "./d", "must hold a config.json, but './d' has none. Give a folder that holds config.json"),
        ({"d/q4.gguf": ""}, "./d", "'./d' has none: it holds GGUF files, which are made for answering and can't be"),
        (
            {"d/adapter_config.json": '{"base_model_name_or_path": "a/b"}'},
            "./d",
            "it holds an adapter. Choose its base, model=a/b. To measure it: task=evaluate run=./d",
        ),
        ({"d/adapter_config.json": "["}, "./d", "Choose its base, which adapter_config.json names."),
        ({"d/model/config.json": "{}"}, "./d", "has none. Did you mean model=./d/model?"),
        ({"d/config.json": "{"}, "./d", "'{here}/d/config.json' is broken: Expecting property name"),
        ({"d/config.json": "[" * 100_000}, "./d", "'{here}/d/config.json' is broken"),
        ({"d/config.json": "[1]"}, "./d", "must have a config.json that names its `model_type`"),
        ({"d/config.json": '{"hidden_size": 1}'}, "./d", "must have a config.json that names its `model_type`"),
        ({"d/config.json": " " * 5 * 2**20}, "./d", "is larger than 4 MB"),
        (
            {"d/config.json": '{"model_type": "bert", "architectures": ["BertForMaskedLM"]}'},
            "./d",
            "must be a causal language model, but './d' is BertForMaskedLM. Choose a decoder model",
        ),
        (
            {"d/config.json": '{"model_type": "t5", "is_encoder_decoder": true}'},
            "./d",
            "must be a causal language model, but './d' is an encoder-decoder.",
        ),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_do(
    files: dict[str, str], choice: str, message: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    problem = said(choice)
    assert problem.startswith("model: must ")
    assert message.format(here=here) in problem


def test_faults_of_choice_and_of_other_keys_come_together() -> None:
    found = [problem.where for problem in check_run(["model=./nope", "training.epoch=2", "optimizer.lr=abc"])]
    assert sorted(found) == ["model", "optimizer.lr", "training.epoch"]


def test_misspelt_choice_names_the_folder_beside(folder: Make) -> None:
    folder("mine")
    (problem,) = check_run(["model=mine"])
    assert problem.fix.startswith("Did you mean model=./mine? Choices: ")
    assert problem.fix.endswith(" Or org/name of the hub, or ./folder.")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_act", "${oc.env:FTLAB_SECRET}"),
        ("x", {"y": ["${oc.env:FTLAB_SECRET}"]}),
        ("${oc.env:X}", 1),
        ("a", "???"),
    ],
)
def test_config_that_would_be_computed_is_refused(
    key: str, value: Any, folder: Make, llama: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_SECRET", "s3cret")
    folder("m", {**llama, key: value})
    problem = said("./m")
    assert "must be plain text" in problem
    assert "s3cret" not in problem


def test_nothing_that_a_config_names_is_called(
    folder: Make, composed: Compose, llama: dict[str, Any], tmp_path: Path
) -> None:
    call = {"_target_": "pathlib.Path.touch", "_args_": [str(tmp_path / "called")]}
    hostile = {
        "_target_": "os.system",
        "rope_parameters": {**call, "rope_type": "default"},
        "auto_map": {"AutoConfig": "evil.Evil"},
        "trust_remote_code": True,
        "quantization_config": {"quant_method": "gptq"},
        "name": "not-m",
        "path": "/elsewhere",
        "defaults": ["nothing"],
    }
    place = folder("m", {**llama, **hostile}, **{"evil.py": f"open({str(tmp_path / 'called')!r}, 'w')"})
    model = composed("model=./m").model
    assert (model.name, model.path, model.trust_remote_code) == ("m", str(place), False)
    assert not [key for key in OmegaConf.to_yaml(model).split() if key.startswith("_")]
    assert model.shape.rope_parameters == {"rope_type": "default"}
    assert "auto_map" not in model.shape
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("licence", ["${oc.env:FTLAB_SECRET}", "", "[a, b]", "???"])
def test_card_with_a_strange_licence_says_nothing(licence: str, folder: Make) -> None:
    folder("m", **{"README.md": f"---\nlicense: {licence}\n---\n"})
    assert "licence" not in read("./m")  # then it is custom's: unknown


def test_sizes_that_are_no_numbers_are_said_by_the_plan(folder: Make, llama: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"sizes as whole numbers .* has hidden_size='wide', head_dim=0\."):
        shape_of({**llama, "hidden_size": "wide", "head_dim": 0})


@pytest.mark.parametrize(
    ("choice", "name", "path"),
    [
        ("./rows.jsonl", "rows", "./rows.jsonl"),
        ("rows.jsonl", "rows", "rows.jsonl"),
        ("sub/rows.csv", "rows", "sub/rows.csv"),
        ("/abs/rows.parquet", "rows", "/abs/rows.parquet"),
        ("sub/*.jsonl", "rows", "sub/*.jsonl"),
        ("./sub", "sub", "./sub"),
        ("org/existing", "existing", "org/existing"),
    ],
)
def test_file_of_rows_is_a_data_set(choice: str, name: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "here" / "org" / "existing").mkdir(parents=True)
    data = read(choice, "data")
    assert (data.name, data.path, data.format) == (name, path, "auto")


def test_data_node_has_every_key_of_the_shipped_ones(composed: Compose) -> None:
    data = composed("data=./rows.jsonl", "data.train_on=each").data
    assert (data.path, data.hub_id, data.train_on) == ("./rows.jsonl", None, "each")
    assert set(data) == set(OmegaConf.load(CONF_DIR / "data" / "alpaca.yaml"))
    assert check_run(["data=./rows.jsonl"]) == []


def test_data_set_of_the_hub_is_named_without_asking(composed: Compose, here: Any) -> None:
    data = composed("data=org/Rows-1", "data.hub_split=test").data
    assert (data.name, data.path, data.hub_id, data.hub_split) == ("Rows-1", None, "org/Rows-1", "test")
    assert here.asked == []


def test_choice_means_what_it_meant_where_it_was_typed(folder: Make, tmp_path: Path) -> None:
    place = folder("it's")
    (place.parent / "rows.jsonl").touch()
    there = place.parent
    os.chdir(tmp_path)  # `here` goes back
    assert rooted('model="./it\'s"', there) == f"model='{there}/it\\'s'"
    assert rooted("data=rows.jsonl", there) == f"data='{there}/rows.jsonl'"
    assert rooted("data=./*.jsonl", there) == f"data='{there}/*.jsonl'"
    for same in ("model=tiny", "model=org/name", "data=demo", f"model={place}", "method=./it", "model.path=./it"):
        assert rooted(same, there) == same
    assert json.loads((place / "config.json").read_text())
