"""The shapes are the published models': built without memory, they have the published number of parameters."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from transformers import AutoConfig, AutoModelForCausalLM

import ftlab
from tests.config.composition import choices, composed

PARAMETERS = {
    "smollm2-135m": 134_515_008,
    "smollm2-1.7b": 1_711_376_384,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "llama3-8b": 8_030_261_248,
    "llama3.1-8b": 8_030_261_248,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
    "llama3-70b": 70_553_706_496,
    "mistral-7b": 7_248_023_552,
    "gemma3-270m": 268_098_176,
    "gemma3-1b": 999_885_952,
    "phi4-mini": 3_836_021_760,
}
"""As the safetensors files on the hub add up; embeddings that are shared with the head count once."""


def shape_of(name: str) -> dict[str, Any]:
    shape = OmegaConf.to_container(composed(f"model={name}").model.shape)
    assert isinstance(shape, dict)
    return {str(key): value for key, value in shape.items()}


def test_every_published_model_has_a_shape() -> None:
    assert set(PARAMETERS) == set(choices("model")) - {"custom", "tiny"}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_shape_has_the_published_number_of_parameters(name: str) -> None:
    config = AutoConfig.for_model(**shape_of(name))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert model.num_parameters() == pytest.approx(PARAMETERS[name], rel=0.001)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_every_key_of_the_shape_is_the_configs_own(name: str) -> None:
    shape = shape_of(name)
    config = AutoConfig.for_model(**shape)
    known = set(type(config).__dataclass_fields__) | {"sliding_window_pattern", "head_dim"}
    assert set(shape) <= known
    assert composed(f"model={name}").model.context_tokens <= config.max_position_embeddings


def test_rotary_parameters_are_understood() -> None:
    gemma = AutoConfig.for_model(**shape_of("gemma3-1b"))
    assert gemma.rope_parameters["full_attention"]["rope_theta"] == 1e6
    assert gemma.rope_parameters["sliding_attention"]["rope_theta"] == 1e4
    assert gemma.layer_types.count("full_attention") == 4
    assert AutoConfig.for_model(**shape_of("llama3.1-8b")).rope_parameters["factor"] == 8.0
    assert len(AutoConfig.for_model(**shape_of("phi4-mini")).rope_parameters["long_factor"]) == 48


def test_shape_of_tiny_is_the_embedded_models() -> None:
    embedded = Path(ftlab.__file__).parent / "model" / "tiny" / "config.json"
    config = json.loads(embedded.read_text(encoding="utf-8"))
    shape = shape_of("tiny")
    assert {key: config[key] for key in shape} == shape
