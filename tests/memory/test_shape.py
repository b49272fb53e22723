"""Sizes from a config's keys."""

import pytest

from ftlab.memory.shape import shape_of
from ftlab.problem import InputError
from ftlab.stage.shape import shipped_shapes
from tests.conf.test_model_shape import PARAMETERS

LLAMA = {
    "model_type": "llama", "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_shipped_models_have_their_published_number_of_parameters(name: str) -> None:
    assert shipped_shapes()[name].parameters == pytest.approx(PARAMETERS[name], rel=0.001)


def test_head_width_and_key_heads_follow_from_the_others_where_they_are_left_out() -> None:
    shape = shape_of({key: value for key, value in LLAMA.items() if key != "num_key_value_heads"})
    assert (shape.head_width, shape.query, shape.key) == (8, 32, 32)


def test_text_part_of_a_model_of_several_parts_is_taken() -> None:
    assert shape_of({"model_type": "gemma3", "text_config": LLAMA}).hidden == 32


def test_architecture_of_the_same_keys_is_taken_for_a_llama_and_said_to_be_unknown() -> None:
    other = shape_of(LLAMA | {"model_type": "exaone9"})
    assert other.parameters == shape_of(LLAMA).parameters
    assert not other.is_known


def test_missing_sizes_are_named() -> None:
    with pytest.raises(InputError, match="lacks hidden_size, num_hidden_layers"):
        shape_of({key: value for key, value in LLAMA.items() if key not in ("hidden_size", "num_hidden_layers")})


def test_models_with_experts_are_refused() -> None:
    with pytest.raises(InputError, match="has experts"):
        shape_of(LLAMA | {"num_local_experts": 8})
