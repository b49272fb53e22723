"""The page of a run, `report.html`: whether it became better, how it went, and how to do it again.

In: a run folder, whole or not. Out: one HTML file without scripts that opens offline. What stands on it is chosen and
cut here, so that it stays below 1 MB whatever the run wrote.
"""

import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.report import account, evidence
from ftlab.report.card import FILE as CARD
from ftlab.report.curves import curves
from ftlab.report.folder import RunFolder, read_run
from ftlab.report.number import counted, percent, surprise
from ftlab.report.page import render_page, write_html
from ftlab.report.verdict import judge

FILE = "report.html"

_STEPS_SHOWN = 10
"""Steps of a question that is followed over training."""
_FINDINGS_SHOWN = 12
_LIMIT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of the answers is shown; what is left out is counted in its place.

    Attributes:
        characters: Of each text.
        samples: Questions with both answers.
        failures: Failing answers of each cause.
        questions: Questions that are followed over training.
    """

    characters: int = 600
    samples: int = 8
    failures: int = 5
    questions: int = 4


_ROOMS = (_Room(), _Room(150), _Room(30), _Room(30, 2, 1, 1), _Room(30, 0, 0, 0))
"""Where the page is too large, it is drawn with less."""

log = logging.getLogger(__name__)


def write_report(folder: Path) -> Path:
    """Draws a run.

    Args:
        folder: The run folder: of a run that is done, interrupted, failed or still running.

    Returns:
        The page.

    Raises:
        ValueError: The folder has no card that this version reads.
        OSError: The page can't be written.
    """
    run = read_run(folder)
    try:
        for room in _ROOMS:
            page = render_page("run.html", **_values(run.clipped(room.characters), room))
            size = len(page.encode(errors="backslashreplace"))
            if size < _LIMIT_BYTES:
                break
    except (AttributeError, LookupError, TypeError) as error:
        what = f"must hold what a run writes, but doesn't ({type(error).__name__}: {error})."
        raise ValueError(f"{folder / CARD} {what}") from error
    path = folder / FILE
    write_html(path, page)
    if size >= _LIMIT_BYTES:
        log.warning("%s has %.1f MB, though texts are cut and no answers shown: it opens slowly.", path, size / 1e6)
    return path


def _values(run: RunFolder, room: _Room) -> dict[str, Any]:
    card, measured = run.card, run.evaluation
    curve = measured.get("curve")
    samples = [one for one in measured.get("samples") or [] if isinstance(one, Mapping)]
    followed = _followed(run.samples)
    return {
        "title": _title(run),
        "folder": run.folder.name if run.subject == run.folder else f"evaluation of {shown(run.subject)}",
        "status": card.get("status", "done"),
        "verdict": judge(run),
        "facts": _facts(run),
        "shortened": room if room != _ROOMS[0] else None,
        "findings": _findings(curve),
        "findings_left_out": max(0, len((curve or {}).get("findings") or []) - _FINDINGS_SHOWN),
        "curve": curve,
        "figures": curves(run.metrics, _band(curve)),
        "perplexity": evidence.perplexity(measured.get("perplexity")),
        "form": evidence.form(measured.get("format"), room.failures),
        "forgetting": evidence.forgetting(measured.get("forgetting")),
        "tasks": evidence.tasks(measured.get("lm_eval")),
        "blind": evidence.blind(measured.get("blind")),
        "samples": samples[: room.samples],
        "samples_left_out": max(0, len(samples) - room.samples),
        "followed": followed[: room.questions],
        "followed_left_out": max(0, len(followed) - room.questions),
        "unread": run.unread,
        "memory": account.memory(card),
        "data": account.data(card),
        "config": account.config(card),
        "command": shlex.join(card.get("command") or []),
        "resume": _resume(run),
        "tables": account.reproduction(card),
        "measure": _commands(run),
    }


def _title(run: RunFolder) -> str:
    config = run.card.get("config") or {}
    names = (str((config.get(group) or {}).get("name", "")) for group in ("model", "method", "data"))
    return " · ".join(filter(None, names)) or run.folder.name


def _facts(run: RunFolder) -> list[tuple[str, str]]:
    """The numbers at the top, as (number, what it is)."""
    card, evaluation = run.card, run.evaluation
    measured = card.get("measured") or {}
    facts = []
    answers = (evaluation.get("perplexity") or {}).get("answers") or {}
    if answers.get("tuned"):
        before = f"{surprise(answers['base'])} → " if answers.get("base") else ""
        facts.append((f"{before}{surprise(answers['tuned'])}", "perplexity of held-out answers"))
    tuned = (evaluation.get("format") or {}).get("tuned") or {}
    if tuned.get("strict") is not None:
        form = evaluation["format"]
        facts.append((percent(tuned["strict"]), f"strict JSON, {counted(form['asked'], form.get('of'), 'answers')}"))
    if run.last_step is not None:
        total = card.get("total_steps")
        facts.append((f"{run.last_step:,}" + (f" of {total:,}" if total else ""), "optimizer steps"))
    if "tokens_per_s" in measured:
        facts.append((f"{measured['tokens_per_s']:,.0f}", "tokens a second, without padding"))
    if measured.get("idle_share") is not None:
        facts.append((f"{measured['idle_share']:.1%}", "of the time the device waited for data and logging"))
    if measured.get("peak_bytes"):
        facts.append((f"{measured['peak_bytes'] / account.GIB:,.2f} GiB", "peak memory"))
    if card.get("device"):
        facts.append((str(card["device"]), "device"))
    return facts


def _findings(curve: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list((curve or {}).get("findings") or [])[:_FINDINGS_SHOWN]


def _band(curve: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """The steps of the finding that is the verdict, where it is none to be glad of."""
    for finding in _findings(curve):
        if finding["kind"] == (curve or {}).get("verdict") and finding.get("severity") != "note":
            first, last = finding["steps"]
            return first, last
    return None


def _followed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Questions that were asked during training, with the answers of some steps, first and last among them."""
    by_question: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_question.setdefault(str(row["question"]), []).append(row)
    return [
        {
            "question": question,
            "reference": asked[-1].get("reference", ""),
            "answers": [asked[place] for place in _spaced(len(asked), _STEPS_SHOWN)],
            "asked": len(asked),
        }
        for question, asked in by_question.items()
    ]


def _spaced(count: int, most: int) -> list[int]:
    """Places evenly spread from the first to the last."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def _resume(run: RunFolder) -> str | None:
    """What goes on with the run; None where it is done."""
    if run.card.get("status", "done") == "done":
        return None
    kept = [word for word in run.card.get("command") or [] if not word.startswith(("resume=", "hydra.run.dir="))]
    return f"{shlex.join([*kept, 'resume=auto'])} {override('hydra.run.dir', run.folder)}"


def _commands(run: RunFolder) -> dict[str, str]:
    """What measures a part that isn't there."""
    name = override("run", run.subject)
    evaluate = f"python -m ftlab task=evaluate {name}"
    return {
        "curve": f"{evaluate} evaluation=curve",
        "perplexity": f"{evaluate} evaluation=perplexity",
        "format": f"{evaluate} evaluation=format",
        "forgetting": evaluate if _is_embedded(run) else f"{evaluate} evaluation.general.path=general.jsonl",
        "samples": evaluate,
        "blind": f"python -m ftlab task=compare {name} compare.serve=true",
        "report": f"python -m ftlab task=report {override('run', run.folder)}",
    }


def _is_embedded(run: RunFolder) -> bool:
    """Whether the model is the one that comes with general texts; others need some to be named."""
    model = (run.card.get("config") or {}).get("model") or {}
    return model.get("path") is None and model.get("weights", "pretrained") == "pretrained"


def shown(path: Path) -> str:
    """Returns a path as it is shortest to type from here."""
    here = Path.cwd()
    return str(path.absolute().relative_to(here) if path.absolute().is_relative_to(here) else path)


def override(key: str, path: Path, *others: Path) -> str:
    """Returns `key=path` as it is typed: as the shell, and then Hydra, read the path back.

    Args:
        key: A config key.
        path: Its value.
        *others: More of them: the value is a list then.
    """
    values = [_read_back(shown(one)) for one in (path, *others)]
    return shlex.quote(f"{key}=[{','.join(values)}]" if others else f"{key}={values[0]}")


def _read_back(text: str) -> str:
    """A value as Hydra reads it back."""
    if not re.fullmatch(r"[\w./:@%+-]+( [\w./:@%+-]+)*", text, re.ASCII):
        doubled = re.sub(r'(\\*)("|\Z)', r"\1\1\2", text)  # backslashes before a quote count twice
        text = '"{}"'.format(doubled.replace('"', '\\"'))
    return text
