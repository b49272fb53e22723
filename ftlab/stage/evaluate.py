"""Measures base and tuned of what was trained, and writes down what that comes to."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from ftlab.problem import InputError, Problem
from ftlab.report.card import FILE as CARD
from ftlab.report.details import print_details
from ftlab.report.run import FILE as PAGE
from ftlab.report.run import override, shown
from ftlab.report.summary import print_summary
from ftlab.stage.held_out import held_out_rows, reference, rows_to_judge
from ftlab.stage.inputs import Inputs
from ftlab.stage.outcome import comparisons, metrics_of, sections, shown_samples
from ftlab.stage.record import Record, device_name
from ftlab.stage.run import OpenedRun
from ftlab.stage.score import Score
from ftlab.stage.whole import score_whole

log = logging.getLogger(__name__)

FILE = "evaluation.json"


def evaluate(opened: OpenedRun, record: Record) -> dict[str, Score]:
    """Scores both models on the same rows.

    Args:
        opened: What was trained.
        record: Where the evaluation is recorded.

    Returns:
        Scores by `base` (unless `evaluation.base` is false) and `tuned`.
    """
    cfg = opened.cfg
    for note in left_out(cfg, opened.inputs):
        log.info(note)
    trained = opened.trained
    record.card.write(trained={"run": str(trained.folder), "result": str(trained.result), "kind": trained.kind})
    scores = {}
    for name, model in opened.arms(base=cfg.evaluation.base):
        log.info("Measuring the %s model ...", name)
        scores[name] = score_whole(cfg, opened.inputs, model)
    return scores


def conclude_evaluation(opened: OpenedRun, record: Record, scores: dict[str, Score]) -> None:
    """Writes the evaluation down in a folder of its own, logs it and shows it.

    Args:
        opened: What was trained.
        record: Where the evaluation is recorded.
        scores: What was measured.
    """
    cfg, inputs, folder = opened.cfg, opened.inputs, record.place.folder
    base, tuned = scores.get("base"), scores["tuned"]
    values = {**metrics_of(base, of_base=True), **metrics_of(tuned, of_base=False)}
    if values:
        record.log(values, inputs.total_steps if opened.card else 0)
    samples = shown_samples(cfg, inputs, base, tuned)
    found = {name: section for name, section in sections(inputs, base, tuned, samples).items() if section is not None}
    record.card.write(metrics=values)
    record.add_evaluation(found)
    _write(folder / FILE, {"run": str(opened.trained.folder), "evaluation": found})
    facts = {
        "trained": f"{opened.trained.kind} in {shown(opened.trained.result)}",
        "device": device_name(inputs.device),
        "time": f"{time.time() - record.started_s:.0f} s",
        "figures": shown(folder / FILE),
        "run card": shown(folder / CARD),
        "report": shown(folder / PAGE),
    }
    if tuned.judged is not None and tuned.judged.failures:
        facts["figures"] += f", with all {len(tuned.judged.failures)} answers that fail"
    if record.wandb is not None and record.wandb.local_folder is not None:
        facts["W&B"] = record.wandb.url or shown(record.wandb.local_folder)
    console = Console()
    print_details(console, found)
    print_summary(
        console,
        title=f"{cfg.model.name} · {cfg.method.name if opened.card else opened.trained.folder.name} · {cfg.data.name}",
        comparisons=comparisons(base, tuned),
        samples=samples,
        facts=facts,
        next_commands=_next_commands(opened),
    )


def left_out(cfg: DictConfig, inputs: Inputs) -> list[str]:
    """Says what was asked for and isn't measured, or on other rows, one sentence each.

    Args:
        cfg: The composed configuration.
        inputs: The rows.
    """
    if not held_out_rows(inputs)[1]:
        return ["No rows are held out, so nothing is measured on them: give data.test_path=<your rows>."]
    notes = []
    if inputs.rows.test and not inputs.test:
        notes.append("No test row is left that can be scored: all figures are of the validation rows.")
    if cfg.data.schema is not None and cfg.evaluation.format == "text":
        notes.append("data.schema isn't used for text: evaluation.format=json holds answers against it.")
    judged, longest = rows_to_judge(cfg, inputs).rows, cfg.evaluation.max_new_tokens
    lengths = [len(inputs.tokenizer(reference(row), add_special_tokens=False).input_ids) for row in judged]
    if too_long := [length for length in lengths if length >= longest]:  # the end of an answer is a token, too
        notes.append(
            f"{len(too_long)} of {len(judged)} references are too long for evaluation.max_new_tokens={longest}, so "
            f"that answers like them are cut off and fail: evaluation.max_new_tokens={max(too_long) + 1} lets them end."
        )
    if cfg.evaluation.format_rows and not judged:
        notes.append(
            "No held-out row has a reference that is JSON, so no answers are judged: evaluation.format=json judges "
            "them all the same, evaluation.format=text by their references."
        )
    return notes


def refuse_nothing(opened: OpenedRun) -> None:
    """Ends a command that would load models and measure nothing.

    Args:
        opened: What was trained.

    Raises:
        InputError: Nothing is asked for, or nothing of it can be measured.
    """
    asked, inputs = opened.cfg.evaluation, opened.inputs
    encoded = held_out_rows(inputs)[1]
    of_rows = asked.perplexity or asked.samples or rows_to_judge(opened.cfg, inputs).rows
    if inputs.general is not None or asked.get("tasks") or (encoded and of_rows):
        return
    if encoded:
        what = f"must measure something, but evaluation={asked.name} with these settings measures nothing."
        raise InputError([Problem("evaluation", what, "Choose evaluation=default, perplexity or format.")])
    what = "must hold out rows to measure base and tuned on, but holds out none."
    raise InputError([Problem("data", what, "Give data.test_path=<your rows>, or data.validation_fraction=0.1.")])


def _next_commands(opened: OpenedRun) -> dict[str, str]:
    return {"let people judge": f"python -m ftlab task=compare {override('run', opened.trained.folder)}"}


def _write(file: Path, content: dict[str, Any]) -> None:
    """Writes a file so that a reader finds it whole or not at all."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(file)
