"""Diagnoses a run's loss curve: the settings that the doctor is told during training, and the reader of any log.

In: a run's configuration; or a run folder, a CSV or JSONL of steps and losses, a trainer_state.json. Out: `Settings`; a
`Diagnosis`, shown. Nothing here needs a model, a tokenizer or rows, nor imports what does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.diagnose import diagnose
from ftlab.evaluation.curve.finding import Diagnosis, Finding
from ftlab.evaluation.curve.read import read_curve
from ftlab.problem import InputError, Problem
from ftlab.report.card import FILE as CARD
from ftlab.report.card import read_card
from ftlab.report.run import shown

METRICS, STATE, RESULT = "metrics.csv", "trainer_state.json", "evaluation.json"
_COLOURS = {"fatal": "bold red", "warning": "yellow", "note": "green"}
_FIX = "Name a run folder, or a file with columns such as step,loss,val_loss,lr,grad_norm: run=log.csv."


def settings_of(config: Mapping[str, Any], total_steps: int | None) -> Settings:
    """Returns what a run was set to, as the doctor takes it.

    Args:
        config: The whole configuration as plain data; keys may be missing, as in an older run card.
        total_steps: Optimizer steps of the whole run.
    """
    training, method, optimizer = (config.get(group) or {} for group in ("training", "method", "optimizer"))
    scheduler = config.get("scheduler") or {}
    rate, factor = method.get("learning_rate"), (config.get("model") or {}).get("lr_multiplier")
    is_usual = "Adam" in str(optimizer.get("_target_"))
    return Settings(
        lr=optimizer.get("lr"),
        epochs=training.get("epochs"),
        max_steps=training.get("max_steps"),
        batch_rows=training.get("batch_rows"),
        max_grad_norm=training.get("max_grad_norm"),
        scheduler=scheduler.get("name"),
        warmup=scheduler.get("warmup"),
        total_steps=total_steps,
        method=method.get("name"),
        rank=method.get("r") if "lora_dropout" in method else None,  # other methods' ranks mean something else
        usual_lr=rate * factor if is_usual and rate and factor else None,
    )


def diagnose_file(run: str | None, folder: Path, console: Console) -> Diagnosis:
    """Reads a curve, shows what it means, and writes that down.

    Args:
        run: `run`: a run folder, or a log from anywhere.
        folder: Where `evaluation.json` goes.
        console: The terminal.

    Returns:
        The diagnosis.

    Raises:
        InputError: There is nothing at `run` that a curve can be read from.
    """
    if run is None:
        raise InputError([Problem("run", "must name a run folder or a log, but is null.", _FIX)])
    path = Path(run).expanduser()
    log = _find(path)
    reading = read_curve(log.file)
    found = diagnose(reading.curve, log.settings)
    folder.mkdir(parents=True, exist_ok=True)
    result = {"run": str(path.absolute()), "evaluation": {"curve": found.to_dict()}}
    (folder / RESULT).write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    notes = log.notes + (reading.notes if log.is_own else (*reading.guesses, *reading.notes))
    _show(found, reading.curve, notes, log.file, console)
    console.print(Text(f"\nWritten to {shown(folder / RESULT)}", style="dim"))
    return found


def _show(found: Diagnosis, curve: Curve, notes: Sequence[str], file: Path, console: Console) -> None:
    steps = f"steps {curve.steps[0]:,} to {curve.steps[-1]:,}" if curve.steps else "no training loss"
    held = f", {len(curve.held_out):,} held-out losses" if curve.held_out else ", no held-out losses"
    console.print(Text.assemble(("The loss curve of ", "bold"), (str(file), "bold"), f"  ({steps}{held})"))
    for note in notes:
        console.print(Text(f"  {note}", style="dim"))
    for finding in found.findings:
        console.print(_told(finding))


def _told(finding: Finding) -> Group:
    first, last = finding.steps
    span = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
    head = Text.assemble(
        "\n", (finding.kind, _COLOURS[finding.severity]), (f"  {finding.title}", "bold"),
        (f"  {finding.severity}, {span}", "dim"),
    )  # fmt: skip
    lines: list[Any] = [head, Padding(Text(finding.evidence), (0, 0, 0, 2))]
    lines += [Padding(Text(f"{place}. {cause}"), (0, 0, 0, 2)) for place, cause in enumerate(finding.causes, 1)]
    if finding.overrides:
        lines.append(
            Padding(Text.assemble("Try, one at a time: ", ("  ".join(finding.overrides), "cyan")), (0, 0, 0, 2))
        )
    return Group(*lines)


@dataclass(frozen=True, slots=True)
class _Log:
    """A log, what its run was set to, and whether that run is one of ftlab's, whose columns are known."""

    file: Path
    settings: Settings = field(default_factory=Settings)
    is_own: bool = False
    notes: tuple[str, ...] = ()


def _find(path: Path) -> _Log:
    """The log that a path names.

    Raises:
        InputError: There is none.
    """
    if not path.exists():
        raise InputError([Problem("run", f"must be a run folder or a log, but '{path}' isn't there.", _FIX)])
    folder = path if path.is_dir() else path.parent
    file = path if path.is_file() else next((path / name for name in (METRICS, STATE) if (path / name).exists()), None)
    if file is None:
        what = f"must hold a curve, but '{path}' has neither {METRICS} nor {STATE}."
        raise InputError([Problem("run", what, _FIX)])
    try:
        card = read_card(folder) if file.name == METRICS else None
    except (ValueError, LookupError) as error:
        if path.is_file():
            return _Log(file, notes=(f"What the run was set to isn't known: {folder / CARD} can't be read: {error}.",))
        what = f"must be a run that can be read, but {folder / CARD} can't: {error}."
        raise InputError([Problem("run", what, f"Read the curve alone: run={file}.")]) from error
    if card is None:
        return _Log(file)
    settings = settings_of(card.get("config") or {}, card.get("total_steps"))
    return _Log(file, settings if card.get("status") == "running" else replace(settings, total_steps=None), is_own=True)
