"""Batched greedy answers equal a slow loop without cache and padding, and leave the model as it was."""

import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch import nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from ftlab.evaluation.generate import generate

# PEFT asks for it when it wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

VOCABULARY, PAD, STOPS = 32, 0, (30, 31)


class Words:
    """A tokenizer whose tokens are their numbers; the stop tokens and padding are special."""

    pad_token_id = PAD

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return " ".join(str(token) for token in ids if token not in (PAD, *STOPS))


def _model() -> LlamaForCausalLM:
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, initializer_range=0.6, pad_token_id=PAD, bos_token_id=None, eos_token_id=None,
        )
    )  # fmt: skip
    # What shipped chat models carry: without care it would be used.
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.6, top_k=20, repetition_penalty=1.5)
    return model


def _prompts(count: int = 7) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    lengths = [3, 9, 1, 5, 5, 12, 2][:count]
    return [torch.randint(1, 30, (length,), generator=generator).tolist() for length in lengths]


def _slow(model: Any, prompt: Sequence[int], most: int) -> tuple[str, bool]:
    """One prompt, the whole text read anew for every token."""
    ids = list(prompt)
    for _ in range(most):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits
        token = int(logits[0, -1].argmax())
        if token in STOPS:
            return " ".join(str(t) for t in ids[len(prompt) :] if t != PAD), True
        ids.append(token)
    return " ".join(str(t) for t in ids[len(prompt) :] if t != PAD), False


ADAPTERS: dict[str, PeftConfig | None] = {
    "none": None,
    "lora": LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, target_modules=["q_proj", "v_proj"]),
    "prompt-tuning": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    "prefix-tuning": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_batched_answers_equal_a_loop_without_cache_or_padding(adapter: str) -> None:
    config = ADAPTERS[adapter]
    model: Any = _model() if config is None else get_peft_model(_model(), config)
    model.eval()
    expected = [_slow(model, prompt, 7) for prompt in _prompts()]
    found = generate(model, Words(), _prompts(), max_new_tokens=7, batch_rows=3, stop_token_ids=STOPS)
    assert [(answer.text, answer.stopped) for answer in found] == expected
    assert len({answer.text for answer in found}) > 3
    assert {answer.stopped for answer in found} == {True, False} or adapter != "none"


def test_answers_do_not_depend_on_the_batch() -> None:
    model = _model()
    answers = [
        generate(model, Words(), _prompts(), max_new_tokens=12, batch_rows=rows, stop_token_ids=STOPS)
        for rows in (1, 2, 7)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_the_model_is_left_as_it_was_found() -> None:
    model = get_peft_model(_model(), ADAPTERS["lora"])
    model.train()
    model.base_model.model.model.layers[0].eval()
    modes = {name: module.training for name, module in model.named_modules()}
    settings = [model.generation_config, model.get_base_model().generation_config]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generate(model, Words(), _prompts(2), max_new_tokens=3, batch_rows=2, stop_token_ids=STOPS)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert [model.generation_config, model.get_base_model().generation_config] == settings
    assert model.generation_config.temperature == 0.6


def test_dropout_is_off_during_generation() -> None:
    model = _model()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(lambda module, args: pytest.fail("training") if module.training else None)
    model.train()
    generate(model, Words(), _prompts(2), max_new_tokens=2, batch_rows=2, stop_token_ids=STOPS)


def test_tokens_count_up_to_the_stop() -> None:
    (answer,) = generate(_model(), Words(), [[5, 6]], max_new_tokens=4, batch_rows=1, stop_token_ids=range(VOCABULARY))
    assert (answer.text, answer.stopped, answer.tokens) == ("", True, 0)


def test_no_prompts_give_no_answers() -> None:
    assert generate(_model(), Words(), [], max_new_tokens=4, batch_rows=2, stop_token_ids=STOPS) == []


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        generate(_model(), Words(), [[1], []], max_new_tokens=4, batch_rows=2, stop_token_ids=STOPS)


def test_missing_stop_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="`stop_token_ids` must name at least one token"):
        generate(_model(), Words(), [[1]], max_new_tokens=4, batch_rows=2, stop_token_ids=())
