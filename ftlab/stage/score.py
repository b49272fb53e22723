"""Scores a model on held-out rows: perplexity, strict JSON, sample answers. The same for base and tuned."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from omegaconf import DictConfig
from torch import nn

from ftlab.data.pack import collate, lengths, plan_micro_batches
from ftlab.data.row import EncodedRow, MicroBatch, Row
from ftlab.evaluation.format import expects_json, json_rate
from ftlab.evaluation.generate import Answer, generate
from ftlab.evaluation.perplexity import HeldOut, held_out
from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.stage.prepare import Inputs
from ftlab.training.loss import sum_nll
from ftlab.training.memory import halve_until_it_fits


@dataclass(frozen=True, slots=True)
class Score:
    """What held-out rows say of one model.

    Attributes:
        held_out: Loss and perplexity; None where nothing is held out.
        json_rate: Share of the answers that should be JSON and are, 0 to 1; None where no held-out row asks for it.
        json_answers: How many answers that is.
        answers: What the model wrote, by row id.
    """

    held_out: HeldOut | None
    json_rate: float | None
    json_answers: int
    answers: dict[int, Answer]


def held_out_rows(inputs: Inputs) -> tuple[Sequence[Row], Sequence[EncodedRow]]:
    """Returns the rows that base and tuned are compared on: test rows, or where there are none validation rows."""
    if inputs.test:
        return inputs.rows.test, inputs.test
    return inputs.rows.validation, inputs.validation


def score(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> Score:
    """Scores a model; leaves its mode and its attention as training needs them.

    Args:
        cfg: The composed configuration; `evaluation` says how much.
        inputs: Rows, tokenizer and device.
        model: The base, or the model as trained.

    Returns:
        What was measured.
    """
    rows, encoded = held_out_rows(inputs)
    json_rows = list(islice((row for row in rows if expects_json(reference(row))), cfg.evaluation.format_rows))
    asked = {row.id: row for row in [*rows[: cfg.evaluation.samples], *json_rows]}
    with _evaluating(model), _precision(inputs):
        measured = _perplexity(cfg, inputs, model, encoded) if encoded else None
    prompts = [inputs.encoder.prompt_ids(row) for row in asked.values()]
    answers = dict(zip(asked, answer(cfg, inputs, model, prompts), strict=True)) if asked else {}
    return Score(
        held_out=measured,
        json_rate=json_rate([answers[row.id].text for row in json_rows]) if json_rows else None,
        json_answers=len(json_rows),
        answers=answers,
    )


def question(row: Row) -> str:
    """Returns what a row asks, for people to read."""
    if not row.messages:
        return row.text[: len(row.text) // 2]
    return row.messages[-2].content if len(row.messages) > 1 else ""


def reference(row: Row) -> str:
    """Returns the answer that a row holds."""
    return row.messages[-1].content if row.messages else row.text[len(row.text) // 2 :]


def _perplexity(cfg: DictConfig, inputs: Inputs, model: nn.Module, rows: Sequence[EncodedRow]) -> HeldOut:
    counts = lengths(rows)

    def nll(micro: MicroBatch) -> torch.Tensor:
        return sum_nll(model, micro)

    def measure(tokens: int) -> HeldOut:
        plan = plan_micro_batches(counts, tokens, inputs.layout)
        batches = (collate([rows[index] for index in indices], inputs.layout, inputs.pad_id) for indices in plan)
        return held_out(batches, nll=nll, device=inputs.device)

    if inputs.layout == "packed":
        packed_attention(model)
    size = inputs.micro_batch_tokens
    return halve_until_it_fits(
        measure,
        size,
        least=max(counts),
        device=inputs.device,
        what="tokens of held-out rows",
        fix="The longest of them needs a device with more memory, or a smaller model.",
    )


def answer(
    cfg: DictConfig,
    inputs: Inputs,
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int | None = None,
) -> list[Answer]:
    """Answers prompts with the model as it is, and leaves it ready to train on.

    Args:
        cfg: The composed configuration; `evaluation` says how long answers may get.
        inputs: Tokenizer and stop tokens.
        model: The base, or the model in training.
        prompts: Token ids up to where the answer begins.
        max_new_tokens: Longest answer; None = `evaluation.max_new_tokens`.

    Returns:
        One answer a prompt.
    """

    def write(batch_rows: int) -> list[Answer]:
        return generate(
            model,
            inputs.tokenizer,
            prompts,
            max_new_tokens=max_new_tokens or cfg.evaluation.max_new_tokens,
            batch_rows=batch_rows,
            stop_token_ids=inputs.stop_ids,
        )

    plain_attention(model)
    try:
        with _precision(inputs):
            size = cfg.evaluation.generate_batch_rows
            return halve_until_it_fits(
                write,
                size,
                least=1,
                device=inputs.device,
                what="answers",
                fix="Set evaluation=none, or lower evaluation.max_new_tokens.",
            )
    finally:
        if inputs.layout == "packed":
            packed_attention(model)


def _precision(inputs: Inputs) -> torch.autocast:
    """The arithmetic of training, so that both are measured alike."""
    return torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.precision == "bf16-mixed")


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
