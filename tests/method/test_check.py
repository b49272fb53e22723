"""Methods that do not fit the model are refused on its skeleton, with what to type instead."""

from typing import Any

import pytest
import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftConfig
from transformers import PreTrainedModel

from ftlab.method.check import check_method
from ftlab.method.freeze import FreezeMethod
from ftlab.method.full import FullMethod
from ftlab.method.loftq import LoftqConfig
from ftlab.method.method import Method
from tests.model.toy import toy_model

LAYERS = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"


@pytest.fixture(scope="module")
def skeleton() -> PreTrainedModel:
    with torch.device("meta"):
        return toy_model()


def lora(**arguments: Any) -> LoraConfig:
    return LoraConfig(task_type="CAUSAL_LM", **arguments)


def texts(chosen: PeftConfig | Method, skeleton: PreTrainedModel, **options: Any) -> list[str]:
    return [str(problem) for problem in check_method(chosen, name="mine", skeleton=skeleton, **options)]


@pytest.mark.parametrize("targets", [["query_key_value"], r".*\.c_attn", ["q_proj", "query_key_value"]])
def test_targets_that_match_nothing_are_named_with_what_there_is(targets: Any, skeleton: PreTrainedModel) -> None:
    (text,) = texts(lora(target_modules=targets), skeleton)
    assert text.startswith("method.target_modules: must name modules of LlamaForCausalLM, but nothing there matches ")
    assert LAYERS in text
    assert "q_proj, query" not in text


@pytest.mark.parametrize("chosen", [FullMethod(), FreezeMethod()])
def test_training_quantised_weights_is_refused(chosen: Method, skeleton: PreTrainedModel) -> None:
    (text,) = texts(chosen, skeleton, quantization="nf4")
    assert text.startswith("quantization: must be none with method=mine, but is nf4")
    assert texts(chosen, skeleton) == []


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
def test_splitting_quantised_weights_is_refused(start: str, skeleton: PreTrainedModel) -> None:
    chosen = lora(target_modules="all-linear", init_lora_weights=start)
    (text,) = texts(chosen, skeleton, quantization="nf4")
    assert text.startswith("quantization: must be none with method=mine, which splits the base's weights")
    assert texts(chosen, skeleton) == []


def test_a_start_that_can_not_be_converted_is_refused(skeleton: PreTrainedModel) -> None:
    (text,) = texts(lora(target_modules="all-linear", init_lora_weights="olora", use_dora=True), skeleton)
    assert "must be without use_dora" in text


def test_loftq_needs_four_bits_and_real_weights(skeleton: PreTrainedModel) -> None:
    chosen = LoftqConfig(task_type="CAUSAL_LM", target_modules="all-linear")
    found = texts(chosen, skeleton, quantization="int8", random_weights=True)
    assert [text.split(":")[0] for text in found] == ["quantization", "model.weights"]
    assert texts(chosen, skeleton, quantization="fp4") == []


def test_a_layer_beyond_the_last_is_refused(skeleton: PreTrainedModel) -> None:
    (text,) = texts(lora(target_modules=["q_proj"], layers_to_transform=[0, 2]), skeleton)
    assert text == "method.layers_to_transform: must be at most 1, the model's last layer, but is 2."


def test_adalora_must_have_rank_to_cut(skeleton: PreTrainedModel) -> None:
    chosen = AdaLoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_r=8, target_r=8, total_step=9)
    (text,) = texts(chosen, skeleton)
    assert text.startswith("method.target_r: must be less than method.init_r, which is 8, but is 8.")


def test_what_peft_refuses_is_passed_on(skeleton: PreTrainedModel) -> None:
    (text,) = texts(lora(target_modules=["act_fn"]), skeleton)
    assert text.startswith("method: must fit LlamaForCausalLM, but PEFT says:")


def test_ia3_names_are_checked_too(skeleton: PreTrainedModel) -> None:
    chosen = IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj", "wo"], feedforward_modules=["wo"])
    (text,) = texts(chosen, skeleton)
    assert text.startswith("method.target_modules: must name modules")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (
            FreezeMethod(last_layers=3),
            "method.last_layers: must be from 0 to 2, the number of",
        ),
        (
            FreezeMethod(last_layers=0),
            "method.last_layers: must be at least 1 where",
        ),
        (
            FreezeMethod(patterns=["wte"]),
            "method.patterns: must match names of the model's",
        ),
        (FreezeMethod(patterns=["(("]), "method.patterns: must be regular expressions, but '((' is none"),
    ],
)
def test_freeze_that_trains_nothing_is_refused(chosen: Method, expected: str, skeleton: PreTrainedModel) -> None:
    (text,) = texts(chosen, skeleton)
    assert text.startswith(expected)


def test_a_pattern_for_a_tied_head_matches(skeleton: PreTrainedModel) -> None:
    with torch.device("meta"):
        tied = toy_model(tie_word_embeddings=True)
    assert texts(FreezeMethod(patterns=["lm_head"]), tied) == []
