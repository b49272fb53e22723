"""Ends a run: saves what was trained, writes the results down, and tells the user."""

import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import transformers
from omegaconf import DictConfig
from rich.console import Console
from torch import nn

from ftlab import metric
from ftlab.data.row import Row
from ftlab.kernels.accelerate import restore
from ftlab.method.method import trainable_parameters
from ftlab.method.peft import PeftMethod
from ftlab.report.run import FILE as PAGE
from ftlab.report.run import shown
from ftlab.report.summary import Comparison, Sample, print_summary
from ftlab.stage.measured import measured, memory
from ftlab.stage.plan import FAR_OFF
from ftlab.stage.prepare import Inputs
from ftlab.stage.record import Record, device_name
from ftlab.stage.score import Score, held_out_rows, question, reference

log = logging.getLogger(__name__)

ADAPTER, MODEL = "adapter", "model"
"""Where the result lies in the run folder: an adapter, or a whole model."""


def conclude(
    cfg: DictConfig,
    inputs: Inputs,
    record: Record,
    model: nn.Module,
    *,
    base: Score | None,
    tuned: Score,
    val_loss: float | None,
) -> None:
    """Saves the result and its evidence.

    Args:
        cfg: The composed configuration.
        inputs: What the run started from.
        record: The run's record.
        model: As trained, with the best weights.
        base: The base's score, if it was measured.
        tuned: The tuned model's score.
        val_loss: The lowest held-out loss during training.
    """
    folder = record.place.folder
    result = folder / (ADAPTER if isinstance(inputs.method, PeftMethod) else MODEL)
    transformers.utils.logging.disable_progress_bar()  # writing takes seconds, the bar would tear the summary
    restore(model)  # a method may save weights of the base, too
    inputs.method.save(model, result)
    inputs.tokenizer.save_pretrained(result)
    values = {**_values(base, of_base=True), **_values(tuned, of_base=False)}
    if values:
        record.log(values, inputs.total_steps)
    if record.wandb is not None and result.name == ADAPTER:
        record.wandb.log_adapter(result, metadata=values)
    found = measured(record.callbacks.values())
    off = memory(inputs.plan, found).get("off")
    _warn_of_plan(off)
    samples = _samples(cfg, inputs, base, tuned)
    record.card.write(
        metrics={**values, "val_loss": val_loss},
        files={"result": str(result), "metrics": str(record.metrics.path)},
        wandb=_wandb(record),
    )
    record.add_evaluation(_sections(base, tuned, samples))
    print_summary(
        Console(),
        title=f"{cfg.model.name} · {cfg.method.name} · {cfg.data.name}",
        comparisons=_comparisons(base, tuned),
        samples=samples,
        facts=_facts(inputs, record, model, result, found, off),
        next_commands=_next_commands(cfg, record, result),
    )


def _values(score: Score | None, *, of_base: bool) -> dict[str, float]:
    """A score as metrics."""
    keys = (
        (metric.TEST_LOSS_BASE, metric.TEST_PERPLEXITY_BASE, metric.TEST_JSON_RATE_BASE)
        if of_base
        else (metric.TEST_LOSS, metric.TEST_PERPLEXITY, metric.TEST_JSON_RATE)
    )
    if score is None:
        return {}
    held = score.held_out
    numbers = (held.loss if held else None, held.perplexity if held else None, score.json_rate)
    return {key: number for key, number in zip(keys, numbers, strict=True) if number is not None}


def _sections(base: Score | None, tuned: Score, samples: Sequence[Sample]) -> dict[str, Any]:
    """What was measured after training, as the card's `evaluation` has it."""
    return {
        "perplexity": _perplexity(base, tuned),
        "samples": [asdict(sample) for sample in samples] or None,
    }


def _perplexity(base: Score | None, tuned: Score) -> dict[str, Any] | None:
    if tuned.held_out is None:
        return None
    answers = {name: _held_out(one) for name, one in (("base", base), ("tuned", tuned))}
    return {"answers": answers, "text": {}, "sources": [], "lengths": [], "difference": None}


def _held_out(score: Score | None) -> dict[str, Any] | None:
    held = score.held_out if score else None
    if held is None:
        return None
    counted = {"rows": held.rows, "tokens": held.tokens}
    return {"loss": held.loss, "perplexity": held.perplexity, "low": None, "high": None, **counted}


def _comparisons(base: Score | None, tuned: Score) -> list[Comparison]:
    lines = []
    if tuned.held_out is not None:
        before = base.held_out.perplexity if base and base.held_out else None
        after = tuned.held_out.perplexity
        name = f"perplexity of the answers ({tuned.held_out.rows} rows, {tuned.held_out.tokens:,} tokens)"
        lines.append(Comparison(name, _number(before), _number(after), _times(before, after)))
    if tuned.json_rate is not None:
        before = base.json_rate if base else None
        name = f"strict JSON where it is asked for ({tuned.json_answers} answers)"
        lines.append(Comparison(name, _percent(before), _percent(tuned.json_rate)))
    return lines


def _times(before: float | None, after: float) -> str:
    if before is None:
        return ""
    return f"{before / after:.1f} times lower" if before >= after else f"{after / before:.1f} times higher"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _samples(cfg: DictConfig, inputs: Inputs, base: Score | None, tuned: Score) -> list[Sample]:
    rows: Sequence[Row] = held_out_rows(inputs)[0][: cfg.evaluation.samples]
    return [
        Sample(
            question=question(row),
            reference=reference(row),
            base=base.answers[row.id].text if base else "",
            tuned=tuned.answers[row.id].text,
        )
        for row in rows
    ]


def _warn_of_plan(off: float | None) -> None:
    if off is not None and abs(off) > FAR_OFF:
        log.warning(
            "The memory plan was %.0f %% %s what was measured; both are in the run card. Set "
            "training.micro_batch_tokens yourself where that matters.",
            100 * abs(off), "above" if off > 0 else "below",
        )  # fmt: skip


def _wandb(record: Record) -> dict[str, Any]:
    run = record.wandb
    return {} if run is None else {"id": run.version, "mode": run.mode, "folder": run.local_folder, "url": run.url}


def _facts(
    inputs: Inputs, record: Record, model: nn.Module, result: Path, found: Mapping[str, Any], off: float | None
) -> dict[str, str]:
    trained, total = trainable_parameters(model)
    facts = {"trained": f"{trained:,} of {total:,} parameters ({trained / total:.2%})"}
    if "tokens_per_s" in found:
        pace, supervised = found["tokens_per_s"], found["supervised_tokens_per_s"]
        facts["speed"] = f"{pace:,.0f} tokens/s without padding, {supervised:,.0f} of them supervised"
    if "peak_bytes" in found:
        planned = "" if off is None else f", {abs(off):.0%} {'below' if off > 0 else 'above'} the plan"
        facts["peak memory"] = f"{found['peak_bytes'] / 1e9:.2f} GB{planned}"
    facts["device"] = device_name(inputs.device)
    facts["time"] = f"{inputs.total_steps} steps, {time.time() - record.started_s:.0f} s in all"
    facts[result.name] = shown(result)
    facts["metrics"] = shown(record.metrics.path)
    facts["run card"] = shown(record.card.file)
    facts["report"] = shown(record.place.folder / PAGE)
    if record.wandb is not None:
        local = record.wandb.local_folder
        facts["W&B"] = record.wandb.url or (shown(local) if local else "not logged")
    return facts


def _next_commands(cfg: DictConfig, record: Record, result: Path) -> dict[str, str]:
    commands = {}
    if cfg.data.path is None and cfg.data.hub_id is None:
        commands["your own rows"] = "python -m ftlab data.path=mine.jsonl"
        commands["a larger model, on a GPU"] = "python -m ftlab method=qlora model=llama3-8b data.path=mine.jsonl"
    commands["compare methods"] = "python -m ftlab -m method=full,lora,qlora"
    if record.wandb is not None and record.wandb.sync_command and record.wandb.local_folder:
        commands["upload to W&B"] = f"wandb sync {shown(record.wandb.local_folder)}"
    if result.name == ADAPTER:
        base = shlex.quote(cfg.model.path or "ftlab/model/tiny")
        commands["use it in Python"] = f'PeftModel.from_pretrained(base, "{shown(result)}")  # base: {base}'
    return commands
