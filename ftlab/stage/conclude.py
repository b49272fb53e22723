"""Ends a run: saves what was trained, writes the results down, and tells the user."""

import logging
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from omegaconf import DictConfig
from rich.console import Console
from torch import nn

from ftlab.kernels.accelerate import restore
from ftlab.method.method import trainable_parameters
from ftlab.method.peft import PeftMethod
from ftlab.report.run import FILE as PAGE
from ftlab.report.run import override, shown
from ftlab.report.summary import print_summary
from ftlab.report.verdict import has_forgotten
from ftlab.stage.general import is_embedded
from ftlab.stage.held_out import held_out_rows
from ftlab.stage.inputs import Inputs
from ftlab.stage.measured import curve, measured, memory, oom_events
from ftlab.stage.outcome import comparisons, metrics_of, sections, shown_samples
from ftlab.stage.plan import FAR_OFF
from ftlab.stage.record import Record, again_command, device_name
from ftlab.stage.score import Score
from ftlab.stage.trained import ADAPTER, MODEL

log = logging.getLogger(__name__)


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
    values = {**metrics_of(base, of_base=True), **metrics_of(tuned, of_base=False)}
    if values:
        record.log(values, inputs.total_steps)
    if record.wandb is not None and result.name == ADAPTER:
        record.wandb.log_adapter(result, metadata=values)
    found = measured(record.callbacks.values())
    off = memory(inputs.plan, found).get("off")
    if not oom_events(record.callbacks.values()):  # else the run wasn't what was planned
        _warn_of_plan(off)
    samples = shown_samples(cfg, inputs, base, tuned)
    record.card.write(
        metrics={**values, "val_loss": val_loss},
        files={"result": str(result), "metrics": str(record.metrics.path)},
        wandb=_wandb(record),
    )
    evaluation = sections(inputs, base, tuned, samples)
    forgot = has_forgotten(evaluation.get("forgetting") or {})
    record.add_evaluation({**evaluation, "curve": curve(record.callbacks.values())})
    print_summary(
        Console(),
        title=f"{cfg.model.name} · {cfg.method.name} · {cfg.data.name}",
        comparisons=comparisons(base, tuned),
        samples=samples,
        facts=_facts(inputs, record, model, result, found, off),
        next_commands=_next_commands(cfg, inputs, record, result, has_forgotten=forgot),
    )


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
        if found.get("idle_share") is not None:
            facts["speed"] += f"; the device waited {found['idle_share']:.1%} of the time"
    if "peak_bytes" in found:
        over = 0.0 if off is None else 1 / (1 + off) - 1  # `off` is a share of the measurement, this one of the plan
        planned = "" if off is None else f", {abs(over):.0%} {'above' if over > 0 else 'below'} the plan"
        facts["peak memory"] = f"{found['peak_bytes'] / 1e9:.2f} GB{planned}"
    spent_s = time.time() - record.started_s
    facts["time"] = f"{inputs.total_steps} steps, {spent_s:.0f} s in all, on {device_name(inputs.device)}"
    if verdict := record.card.sections.get("evaluation", {}).get("curve"):
        facts["curve"] = ", ".join(dict.fromkeys(finding["title"] for finding in verdict["findings"]))
    facts["report"] = shown(record.place.folder / PAGE)
    facts["folder"] = (
        f"{shown(record.place.folder)} ({result.name}, {record.metrics.path.name}, {record.card.file.name})"
    )
    if record.wandb is not None and (record.wandb.url or not record.wandb.sync_command):
        facts["W&B"] = record.wandb.url or "not logged"
    return facts


def _next_commands(
    cfg: DictConfig, inputs: Inputs, record: Record, result: Path, *, has_forgotten: bool
) -> dict[str, str]:
    commands = {}
    if cfg.data.path is None and cfg.data.hub_id is None:
        commands["your own rows"] = "python -m ftlab data.path=mine.jsonl"
        commands["a larger model, on a GPU"] = "python -m ftlab method=qlora model=llama3-8b data.path=mine.jsonl"
    if held_out_rows(inputs)[0]:  # what people are asked
        commands["let people judge"] = f"python -m ftlab task=compare {override('run', record.place.folder)}"
    if has_forgotten:
        general = "auto" if is_embedded(cfg) else "general.jsonl"
        commands["forget less"] = again_command(f"data.replay={{path: {general}, share: 0.1}}")
    else:  # one of both, so that the summary stays within a screen
        commands["compare methods"] = again_command("-m", "method=full,lora,qlora")
    if record.wandb is not None and record.wandb.sync_command and record.wandb.local_folder:
        commands["upload to W&B"] = f"wandb sync {shown(record.wandb.local_folder)}"
    if result.name == ADAPTER:
        base = shlex.quote(cfg.model.path or "ftlab/model/tiny")
        commands["use it in Python"] = f'PeftModel.from_pretrained(base, "{shown(result)}")  # base: {base}'
    return commands
