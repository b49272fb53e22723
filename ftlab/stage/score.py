"""Scores a model on held-out rows: perplexity, format, sample answers. The same for base and tuned."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from omegaconf import DictConfig
from torch import nn

from ftlab.check.structure import read_schema
from ftlab.data.pack import collate, lengths, plan_micro_batches
from ftlab.data.row import EncodedRow, MicroBatch, Row
from ftlab.evaluation.answers import Asked, Judged, Wants, judge
from ftlab.evaluation.forgetting import General
from ftlab.evaluation.format import schema_validator
from ftlab.evaluation.generate import Answer, generate
from ftlab.evaluation.harness import TaskScore
from ftlab.evaluation.perplexity import Figure, RowSums, figure, measure
from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.stage.held_out import held_out_rows, question, reference, rows_to_judge
from ftlab.stage.inputs import Inputs
from ftlab.training.memory import halve_until_it_fits
from ftlab.training.row_nll import row_nll


@dataclass(frozen=True, slots=True)
class Score:
    """What held-out rows say of one model.

    Attributes:
        sums: Σ NLL of each row; None where nothing is held out or perplexity isn't asked for.
        held_out: Loss and perplexity of the answers; None where `sums` is.
        text: Loss and perplexity of the whole texts; None where `sums` is.
        wants: What the answers that are judged must be; None where none is.
        judged: What those answers are worth.
        asked: How many they are.
        fitting: Of how many they were drawn.
        answers: What the model wrote, by row id.
        general: What general texts and the probe say; None where they aren't asked for.
        tasks: What lm-eval's tasks say; empty where none are asked for.
    """

    sums: RowSums | None = None
    held_out: Figure | None = None
    text: Figure | None = None
    wants: Wants | None = None
    judged: Judged | None = None
    asked: int = 0
    fitting: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)
    general: General | None = None
    tasks: list[TaskScore] = field(default_factory=list)


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
    sums = row_sums(cfg, inputs, model, encoded) if encoded and cfg.evaluation.perplexity else None
    judging = rows_to_judge(cfg, inputs)
    asked = {row.id: row for row in [*rows[: cfg.evaluation.samples], *judging.rows]}
    prompts = [inputs.encoder.prompt_ids(row) for row in asked.values()]
    answers = dict(zip(asked, answer(cfg, inputs, model, prompts), strict=True)) if asked else {}
    return Score(
        sums=sums,
        held_out=None if sums is None else figure(sums.answer_nll, sums.answer_tokens),
        text=None if sums is None else figure(sums.text_nll, sums.text_tokens),
        wants=judging.wants,
        judged=_judge(cfg, judging.wants, judging.rows, answers) if judging.wants else None,
        asked=len(judging.rows),
        fitting=judging.fitting,
        answers=answers,
    )


def row_sums(cfg: DictConfig, inputs: Inputs, model: nn.Module, rows: Sequence[EncodedRow]) -> RowSums:
    """Takes the loss of rows; leaves the model's mode as it was, and its attention as training needs it.

    Args:
        cfg: The composed configuration; `evaluation.logits_gb` bounds the memory of logits.
        inputs: Layout, precision and device.
        model: The base, or the model as trained.
        rows: At least one.

    Returns:
        Σ NLL of each row, on its answers and on its whole text.

    Raises:
        ValueError: No row has a supervised token.
    """
    counts = lengths(rows)
    logits_bytes = int(cfg.evaluation.logits_gb * 1e9)

    def sums(micro: MicroBatch) -> torch.Tensor:
        return row_nll(model, micro, logits_bytes)

    def take(tokens: int) -> RowSums:
        plan = plan_micro_batches(counts, tokens, inputs.layout)
        batches = (collate([rows[index] for index in indices], inputs.layout, inputs.pad_id) for indices in plan)
        return measure(batches, sums=sums, device=inputs.device)

    if inputs.layout == "packed":
        packed_attention(model)
    with _evaluating(model), _precision(inputs):
        return halve_until_it_fits(
            take,
            inputs.micro_batch_tokens,
            least=max(counts),
            device=inputs.device,
            what="tokens of held-out rows",
            fix="The longest of them needs a device with more memory, or a smaller model.",
        )


def _judge(cfg: DictConfig, wants: Wants, rows: Sequence[Row], answers: dict[int, Answer]) -> Judged:
    schema = None if cfg.data.schema is None or wants == "text" else read_schema(cfg.data.schema)
    return judge(
        [Asked(row.id, row.origin, question(row), reference(row)) for row in rows],
        [answers[row.id] for row in rows],
        wants=wants,
        validator=None if schema is None else schema_validator(schema),
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

    with unpacked(inputs, model):
        size = cfg.evaluation.generate_batch_rows
        return halve_until_it_fits(
            write,
            size,
            least=1,
            device=inputs.device,
            what="answers",
            fix="Set evaluation=none, or lower evaluation.max_new_tokens.",
        )


@contextlib.contextmanager
def unpacked(inputs: Inputs, model: nn.Module) -> Iterator[None]:
    """Lets the model read one row a line, in evaluation mode and in the arithmetic of training; then as it was."""
    plain_attention(model)
    try:
        with _evaluating(model), _precision(inputs):
            yield
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
