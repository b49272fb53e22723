"""Greedy answers to prompts, in batches: the model's own decoding loop, with nothing of its default sampling.

In: prompts as token ids, up to where the answer begins. Out: the answers' text, and whether they stopped by
themselves. Which prompts share a batch never changes an answer beyond rounding. The model must read one row a line
(`ftlab.kernels.attention.plain_attention`), not packed rows: the caller sees to that.

Shape letters: B prompts, P tokens of the longest prompt, A answer tokens.
"""

import contextlib
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: Its text without special tokens.
        stopped: Whether it ended itself; else it was cut at the longest length.
        tokens: Its length, the stop token not counted.
    """

    text: str
    stopped: bool
    tokens: int


def generate(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_rows: int,
    stop_token_ids: Collection[int],
) -> list[Answer]:
    """Answers prompts, always with the likeliest next token.

    The model is left as it was found: training or evaluation mode of each part, and its generation settings.

    Args:
        model: A Transformers model, or one wrapped by PEFT; on any device, quantised or not.
        tokenizer: Turns ids into text; has a padding token.
        prompts: Token ids of each prompt, at least one a prompt.
        max_new_tokens: Longest answer.
        batch_rows: Prompts that are answered at a time.
        stop_token_ids: Tokens that end an answer; at least one.

    Returns:
        One answer a prompt, in the order of the prompts.

    Raises:
        ValueError: There is no stop token, or a prompt is empty.
    """
    if not stop_token_ids:
        raise ValueError("`stop_token_ids` must name at least one token, but is empty.")
    if empty := [index for index, prompt in enumerate(prompts) if not len(prompt)]:
        raise ValueError(f"`prompts` must hold at least one token each, but prompt {empty[0]} is empty.")
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        use_cache=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=sorted(stop_token_ids),
    )
    answers: dict[int, Answer] = {}
    with _evaluating(model), _generating(model, settings):
        for indices in _batches([len(prompt) for prompt in prompts], batch_rows, padded=not _has_virtual_tokens(model)):
            answers_BA = _answer_ids(model, [prompts[index] for index in indices], tokenizer.pad_token_id)
            for index, ids in zip(indices, answers_BA.tolist(), strict=True):
                answers[index] = _read(ids, tokenizer, stop_token_ids)
    return [answers[index] for index in range(len(prompts))]


def _batches(lengths: Sequence[int], batch_rows: int, *, padded: bool) -> Iterator[list[int]]:
    """Groups prompts of similar length, longest first: the first batch shows whether memory suffices."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if len(batch) == batch_rows or (batch and not padded and lengths[batch[0]] != lengths[index]):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _answer_ids(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """Returns the tokens behind each prompt, padded on the right, shape [B, A], int64."""
    device = next(model.parameters()).device
    longest = max(map(len, prompts))
    ids_BP = torch.full((len(prompts), longest), pad_id)
    mask_BP = torch.zeros_like(ids_BP)
    for row, prompt in enumerate(prompts):
        ids_BP[row, longest - len(prompt) :] = torch.as_tensor(prompt)
        mask_BP[row, longest - len(prompt) :] = 1
    with torch.no_grad(), warnings.catch_warnings():
        # Prompt tuning sets positions itself, and says so at every token.
        warnings.filterwarnings("ignore", message="Position ids are not supported")
        out_BT: Tensor = model.generate(input_ids=ids_BP.to(device), attention_mask=mask_BP.to(device))
    return out_BT[:, longest:]


def _read(ids: list[int], tokenizer: PreTrainedTokenizerBase, stop_token_ids: Collection[int]) -> Answer:
    end = next((place for place, token in enumerate(ids) if token in stop_token_ids), None)
    answer = ids[:end]
    return Answer(tokenizer.decode(answer, skip_special_tokens=True), end is not None, len(answer))


def _has_virtual_tokens(model: nn.Module) -> bool:
    """Whether PEFT puts tokens of its own before the prompt: padding would stand between and shift positions."""
    configs = getattr(model, "peft_config", {})
    return any(config.is_prompt_learning for config in configs.values())


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Puts every part into evaluation mode, and back into the mode that it had."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def _generating(model: Any, settings: GenerationConfig) -> Iterator[None]:
    """Takes the model's own generation settings away: what isn't given would be filled in from them."""
    holders = [model, model.get_base_model()] if hasattr(model, "get_base_model") else [model]
    own = [holder.generation_config for holder in holders]
    for holder in holders:
        holder.generation_config = settings
    try:
        yield
    finally:
        for holder, config in zip(holders, own, strict=True):
            holder.generation_config = config
