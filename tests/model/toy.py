"""Two-layer models of several families, and a folder that holds one with a tokenizer."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

SHAPE: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""A Llama; other families take the same keys."""

transformers.utils.logging.disable_progress_bar()


def toy_model(dtype: torch.dtype = torch.float32, **changes: Any) -> PreTrainedModel:
    """The same weights for the same shape at every call."""
    shape = {**SHAPE, **changes}
    config = AutoConfig.for_model(shape.pop("model_type"), **shape)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def toy_tokenizer(**tokens: str) -> PreTrainedTokenizerFast:
    """Letters, and whatever special tokens are named: `eos_token="</s>"`, `pad_token=...`."""
    names = ["<unk>", *dict.fromkeys(tokens.values())]
    vocabulary = {word: i for i, word in enumerate([*names, *"abcdefghijklmnopqrstuvwxyz"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)


def save_toy(folder: Path, **changes: Any) -> Path:
    """A folder with the toy model, as `model.path` names one."""
    toy_model(**changes).save_pretrained(folder)
    toy_tokenizer(bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder
