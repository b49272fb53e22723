"""The embedded `tiny` model as it is shipped: its size, its tokenizer, and that it really was pretrained."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

import ftlab

TINY = Path(ftlab.__file__).parent / "model" / "tiny"
SENTENCES = (
    "The dog ran to the river because it was thirsty.",
    "She bought three apples at the market and paid with a coin.",
    "When the rain stopped, the children went back to the garden.",
    "My brother wrote a long letter to his friend in the city.",
)
SHUFFLED = (
    "thirsty the because to ran it river The was dog.",
    "apples with and She at coin three paid market the bought a.",
    "garden the stopped, the back When to went children rain the.",
    "city friend long in wrote his letter My a to brother the.",
)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    """The shipped weights."""
    return AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """The shipped tokenizer."""
    return AutoTokenizer.from_pretrained(TINY)


def test_weights_stay_within_the_budget(model: PreTrainedModel) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) <= 8_000_000
    assert (TINY / "model.safetensors").stat().st_size <= 16 * 2**20


def test_widths_divide_into_4_bit_blocks(model: PreTrainedModel) -> None:
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert parameter.shape[-1] % 64 == 0, name


def test_chat_template_writes_real_tokens_for_roles_and_ends(tokenizer: PreTrainedTokenizerBase) -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|bos|><|system|>\nBe kind.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi!<|end|>\n<|assistant|>\n"
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    special = [i for i in ids if i in tokenizer.all_special_ids]
    markers = ["<|bos|>", "<|system|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>", "<|end|>", "<|assistant|>"]
    assert tokenizer.convert_ids_to_tokens(special) == markers
    assert tokenizer.decode(ids) == text


def test_padding_is_not_the_end_of_turn(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.eos_token == "<|end|>"
    assert tokenizer.pad_token == "<|pad|>"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id


@pytest.mark.parametrize("text", ['{"id": "AB-1234", "n": [1, 20]}', "Ünïcödé – 漢字 🙂\n\ttab", "  two  spaces "])
def test_tokenizer_gives_any_text_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.tokenize("2026") == ["2", "0", "2", "6"]


@torch.no_grad()
def perplexity(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...]) -> float:
    """Per token, over all texts together."""
    total, count = 0.0, 0
    for text in texts:
        ids = tokenizer("<|bos|>" + text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        total += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    return float(torch.tensor(total / count).exp())


def test_grammatical_english_is_likelier_than_shuffled(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    assert perplexity(model, tokenizer, SENTENCES) < 0.2 * perplexity(model, tokenizer, SHUFFLED)


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("What is the capital of Italy?", "Rome"),
        ("Which day comes after Monday?", "Tuesday"),
        ('What is the status?\n\n{"code": "QX-7731", "status": "shipped"}', "shipped"),
    ],
)
def test_simple_question_is_answered_and_the_turn_ended(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, question: str, part: str
) -> None:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    new = model.generate(**prompt, max_new_tokens=40)[0, prompt["input_ids"].shape[1] :]
    assert part in tokenizer.decode(new)
    assert new[-1] == tokenizer.eos_token_id
