"""The chat templates of well-known models, word for word (tests/reference/templates), with tokenizers to go with them.

The models' own tokenizers can't be had without a download: these are byte-level BPEs that know every special token of
their template, so that the strings are the models' own, and the ids are cut where the models' would be.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).parent / "templates"

_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Llama 3 and Qwen cut text before the merges."""

_MARK = re.compile(r"<\|[\w ]+\|>|<｜[^｜<>]+｜>|</?[a-z_]+>|<[A-Z_]+>|\[/?[A-Z_]+\]")
"""What may be a special token in the text of a template."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a model's tokenizer and generation config say beside the template.

    Attributes:
        stops: The tokens at which generation stops.
        bos: The beginning-of-sequence token.
        eos: The tokenizer's end-of-sequence token; empty: the first of `stops`.
    """

    stops: tuple[str, ...]
    bos: str = "<s>"
    eos: str = ""


MODELS: dict[str, Model] = {
    "apertus": Model(("<|assistant_end|>",)),
    "command-r7b": Model(("<|END_OF_TURN_TOKEN|>",), "<BOS_TOKEN>"),
    "deepseek-r1": Model(("<｜end▁of▁sentence｜>",), "<｜begin▁of▁sentence｜>"),
    "deepseek-v3": Model(("<｜end▁of▁sentence｜>",), "<｜begin▁of▁sentence｜>"),
    "gemma2": Model(("<end_of_turn>",), "<bos>", "<eos>"),
    "gemma3": Model(("<end_of_turn>",), "<bos>", "<eos>"),
    "gemma4": Model(("<turn|>",), "<bos>", "<eos>"),
    "glm4.6": Model(("<|user|>", "<|observation|>", "<|endoftext|>"), "<s>", "<|endoftext|>"),
    "gpt-oss": Model(("<|return|>", "<|call|>"), "<|startoftext|>"),
    "granite3.3": Model(("<|end_of_text|>",), "<|end_of_text|>"),
    "granite4.0": Model(("<|end_of_text|>",), "<|end_of_text|>"),
    "hermes3": Model(("<|im_end|>",), "<|begin_of_text|>"),
    "kimi-k2": Model(("<|im_end|>",), "[BOS]"),
    "lfm2": Model(("<|im_end|>",), "<|startoftext|>"),
    "llama2": Model(("</s>",)),
    "llama3": Model(("<|eot_id|>",), "<|begin_of_text|>", "<|end_of_text|>"),
    "llama3.1": Model(("<|eot_id|>", "<|eom_id|>"), "<|begin_of_text|>"),
    "llama3.2": Model(("<|eot_id|>", "<|eom_id|>"), "<|begin_of_text|>"),
    "mistral-7b": Model(("</s>",)),
    "mistral-nemo": Model(("</s>",)),
    "mistral-small3.2": Model(("</s>",)),
    "nemotron-nano-v2": Model(("<SPECIAL_12>",)),
    "phi3.5-mini": Model(("<|end|>", "<|endoftext|>"), "<s>", "<|endoftext|>"),
    "phi4-mini": Model(("<|end|>", "<|endoftext|>"), "<|endoftext|>", "<|endoftext|>"),
    "qwen2.5": Model(("<|im_end|>", "<|endoftext|>"), "<|endoftext|>"),
    "qwen3": Model(("<|im_end|>", "<|endoftext|>"), "<|endoftext|>"),
    "qwen3.5": Model(("<|im_end|>", "<|endoftext|>"), "<|endoftext|>"),
    "smollm2": Model(("<|im_end|>",), "<|im_start|>"),
    "smollm3": Model(("<|im_end|>",), "<|im_start|>"),
}


def template(name: str) -> str:
    """The text of a template."""
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


@cache
def tokenizer(name: str) -> PreTrainedTokenizerFast:
    """A tokenizer that knows the special tokens of the template `name`."""
    model = MODELS[name]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator([template(name), "Hello, how are you?\n\nFine.\n\n\n"], trainer)
    marks = dict.fromkeys([*model.stops, model.bos, model.eos or model.stops[0], *_MARK.findall(template(name))])
    bpe.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    text: str | dict[str, str] = template(name)
    if name == "hermes3":  # its template is the one for tools; another is for conversations without
        text = {"default": template("smollm2"), "tool_use": template(name)}
    eos = model.eos or model.stops[0]
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=model.bos, eos_token=eos, chat_template=text)


def stop_ids(name: str) -> tuple[int, ...]:
    """The tokens at which the model's generation config stops."""
    return tuple(tokenizer(name).convert_tokens_to_ids(list(MODELS[name].stops)))
