"""Scores a model on held-out rows: perplexity, format, sample answers. The same for base and tuned."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from omegaconf import DictConfig
from torch import nn

from ftlab.check.structure import read_schema
from ftlab.data.pack import collate, lengths, plan_micro_batches
from ftlab.data.row import EncodedRow, MicroBatch, Row
from ftlab.evaluation.answers import Asked, Judged, Wants, judge
from ftlab.evaluation.forgetting import General
from ftlab.evaluation.format import expects_json, schema_validator
from ftlab.evaluation.generate import Answer, generate
from ftlab.evaluation.harness import TaskScore
from ftlab.evaluation.perplexity import Figure, RowSums, figure, measure
from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.stage.prepare import Inputs
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
    answers: dict[int, Answer] = field(default_factory=dict)
    general: General | None = None
    tasks: list[TaskScore] = field(default_factory=list)


def held_out_rows(inputs: Inputs) -> tuple[Sequence[Row], Sequence[EncodedRow]]:
    """Returns the rows that base and tuned are compared on: test rows, or where there are none validation rows.

    Rows that were left out when they were encoded are left out here, too: a prompt may be longer than the model reads.
    """
    for rows, encoded in ((inputs.rows.test, inputs.test), (inputs.rows.validation, inputs.validation)):
        if encoded:
            kept = set(encoded.row_ids.tolist())
            return rows if len(kept) == len(rows) else [row for row in rows if row.id in kept], encoded
    return [], inputs.validation


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
    wants, judged_rows = rows_to_judge(cfg, rows)
    asked = {row.id: row for row in [*rows[: cfg.evaluation.samples], *judged_rows]}
    prompts = [inputs.encoder.prompt_ids(row) for row in asked.values()]
    answers = dict(zip(asked, answer(cfg, inputs, model, prompts), strict=True)) if asked else {}
    return Score(
        sums=sums,
        held_out=None if sums is None else figure(sums.answer_nll, sums.answer_tokens),
        text=None if sums is None else figure(sums.text_nll, sums.text_tokens),
        wants=wants,
        judged=_judge(cfg, wants, judged_rows, answers) if wants else None,
        asked=len(judged_rows),
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


def rows_to_judge(cfg: DictConfig, rows: Sequence[Row]) -> tuple[Wants | None, list[Row]]:
    """Chooses the rows whose answers are judged.

    Args:
        cfg: The composed configuration; `evaluation.format` says what answers must be, null asks the references.
        rows: The held-out rows.

    Returns:
        What they want and the rows; None and no rows where there are none.
    """
    wanted = cfg.evaluation.format
    fitting = rows if wanted else (row for row in rows if expects_json(reference(row)))
    chosen = list(islice(fitting, cfg.evaluation.format_rows))
    return (wanted or "json", chosen) if chosen else (None, [])


def question(row: Row) -> str:
    """Returns what a row asks, for people to read."""
    if not row.messages:
        return row.text[: len(row.text) // 2]
    return row.messages[-2].content if len(row.messages) > 1 else ""


def reference(row: Row) -> str:
    """Returns the answer that a row holds."""
    return row.messages[-1].content if row.messages else row.text[len(row.text) // 2 :]


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
