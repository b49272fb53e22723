"""The arms of a blind test: whose answers are compared, what they are asked, and what they answer.

In: the configuration. Out: `Arm`s and questions, with everything that is wrong raised before any weight is loaded; then
the answers, written down as they come.
"""

import hashlib
import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from torch import nn

from ftlab.data.progress import progress
from ftlab.data.row import Row
from ftlab.evaluation.blind.answers import AnswerFile, ArmAnswer
from ftlab.evaluation.blind.question import choose, read_questions
from ftlab.evaluation.blind.server import check_port
from ftlab.evaluation.blind.sheet import rater_problems
from ftlab.evaluation.blind.strip import pattern_problems
from ftlab.evaluation.blind.trial import Asked, questions_text
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import fingerprint
from ftlab.stage.held_out import held_out_rows
from ftlab.stage.run import OpenedRun, open_run
from ftlab.stage.score import answer
from ftlab.stage.source import load_model_config, plain

log = logging.getLogger(__name__)

_BATCHES_AT_ONCE = 4
"""Batches that are written down together: only within them do rows of like length share one."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Arm:
    """Whose answers are compared.

    Attributes:
        name: What it is called after the test.
        opened: The run that it belongs to.
        model: Which of the run's models it is: `base` or `tuned`.
    """

    name: str
    opened: OpenedRun
    model: str

    @property
    def facts(self) -> dict[str, str]:
        """What tells it from any other arm, as plain values."""
        return {"name": self.name, "model": self.model, "weights": weights_of(self.opened.trained.result)}


def weights_of(result: Path) -> str:
    """Returns what tells the weights in a folder, with what belongs to them, from any others."""
    return fingerprint(file for file in result.iterdir() if file.suffix in (".safetensors", ".bin", ".json"))


@dataclass(slots=True)
class _Findings:
    """Collects what is wrong, so that the next check is made all the same."""

    problems: list[Problem] = field(default_factory=list)

    def attempt(self, make: Callable[[], _Found]) -> _Found | None:
        try:
            return make()
        except InputError as error:
            self.problems += error.problems
            return None


def read_arms(cfg: DictConfig, overrides: Sequence[str]) -> tuple[list[Arm], list[Row]]:
    """Opens all runs and reads the questions.

    Args:
        cfg: The composed configuration.
        overrides: What was typed.

    Returns:
        The arms, the base first where there is one, and what they are asked.

    Raises:
        InputError: Everything that is wrong with runs, questions and settings.
    """
    findings = _Findings(pattern_problems(cfg.compare.strip.patterns, "compare.strip.patterns"))
    findings.problems += rater_name_problems(plain(cfg.compare.raters) or ())
    if cfg.compare.serve:
        findings.attempt(lambda: check_port(cfg.compare.port))
    rows = findings.attempt(lambda: read_questions(cfg.questions)) if cfg.questions is not None else []
    named = [cfg.run] if cfg.run is not None else []
    opened: dict[str, OpenedRun | None] = {}
    for run in [*named, *cfg.compare.runs]:
        merged = OmegaConf.merge(cfg, {"run": run})
        opened[run] = findings.attempt(lambda merged=merged: open_run(merged, overrides))  # type: ignore[misc]
    if len(opened) < len(named) + len(cfg.compare.runs):
        findings.problems.append(Problem("compare.runs", "must name each run once, and not that of `run`."))
    if not opened:
        findings.problems.append(
            Problem("run", "must name what was trained, but is null.", "Add run=<a run's folder>.")
        )
    elif not named and len(opened) < 2:
        what = "must name at least two runs where `run` is null, but names one."
        findings.problems.append(Problem("compare.runs", what, "Add run=<its folder> to compare it with its base."))
    found = {name: run for name, run in opened.items() if run is not None}
    findings.problems += _length_problems(found)
    raise_all(findings.problems)
    arms = [Arm(model, found[cfg.run], model) for model in ("base", "tuned") if named]
    arms += [Arm(name, found[run], "tuned") for run, name in _names(cfg.compare.runs).items()]
    return arms, rows or _held_out(cfg, list(found.values()))


def rater_name_problems(names: Sequence[str]) -> list[Problem]:
    """Says which of the raters' names can't be one."""
    problems = [one for place, name in enumerate(names) for one in rater_problems(name, f"compare.raters[{place}]")]
    if len({unicodedata.normalize("NFKC", name).casefold() for name in names}) < len(set(names)):
        what = "must be names that differ in more than upper and lower case, or how an accent is stored."
        problems.append(Problem("compare.raters", what))
    return problems


def _length_problems(opened: Mapping[str, OpenedRun]) -> Iterator[Problem]:
    """Each run brings settings of its own: where one may answer at greater length, its length tells it."""
    most = {run: one.cfg.evaluation.max_new_tokens for run, one in opened.items()}
    if len(set(most.values())) > 1:
        each = ", ".join(f"{tokens} of '{run}'" for run, tokens in most.items())
        fix = f"Set evaluation.max_new_tokens={max(most.values())} for all of them."
        yield Problem("evaluation.max_new_tokens", f"must be the same for all runs, but is {each}.", fix)


def _names(runs: Sequence[str]) -> dict[str, str]:
    """Calls runs by their folders' names, or where two have the same by their whole paths."""
    names = {run: Path(run).expanduser().resolve().name for run in runs}
    times = Counter([*names.values(), "base", "tuned"])
    return {run: name if times[name] == 1 else run for run, name in names.items()}


def _held_out(cfg: DictConfig, opened: Sequence[OpenedRun]) -> list[Row]:
    rows = held_out_rows(opened[0].inputs)[0]
    if not rows:
        what = "must name questions, because the run holds no rows out."
        raise InputError([Problem("questions", what, "Add questions=<a file>.")])
    if len(rows) < cfg.compare.rows:
        log.info("The run holds %d rows out: all of them are asked, not compare.rows=%d.", len(rows), cfg.compare.rows)
    if len({run.inputs.data_sha256 for run in opened}) > 1:
        log.info("The questions are held-out rows of the first run: another run may have been trained on them.")
    return choose(rows, cfg.compare.rows, cfg.seed)


def make_prompts(arms: Sequence[Arm], rows: Sequence[Row]) -> dict[str, list[list[int]]]:
    """Makes the questions token ids, for each arm by its own template.

    Args:
        arms: Whom they are for.
        rows: The questions.

    Returns:
        By the arm's name, in the order of the questions.

    Raises:
        InputError: A template refuses a question, or a question leaves no room for an answer; all of them.
    """
    problems: list[Problem] = []
    prompts: dict[str, list[list[int]]] = {}
    for arm in arms:
        cfg, encoder = arm.opened.cfg, arm.opened.inputs.encoder
        context = cfg.model.context_tokens or load_model_config(cfg).get_text_config().max_position_embeddings
        made: list[list[int]] = []
        for row in rows:
            try:
                made.append(encoder.prompt_ids(row))
            except InputError as error:
                problems += error.problems
                continue
            if (needed := len(made[-1]) + cfg.evaluation.max_new_tokens) > context:
                what = f"must leave room for an answer, but takes {needed:,} tokens with it, of {context:,}."
                problems.append(Problem(row.origin, what, "Shorten it, or lower evaluation.max_new_tokens."))
        prompts[arm.name] = made
    raise_all(dict.fromkeys(problems))
    return prompts


def settings_of(cfg: DictConfig, arms: Sequence[Arm], asked: Sequence[Asked]) -> dict[str, Any]:
    """Returns what can change an answer, as plain values.

    Args:
        cfg: The composed configuration.
        arms: Who answers.
        asked: The questions.
    """
    return {
        "questions": hashlib.sha256(questions_text(asked).encode()).hexdigest(),
        "arms": [arm.facts for arm in arms],
        "decoding": "greedy",
        "seed": cfg.seed,
        "max_new_tokens": arms[0].opened.cfg.evaluation.max_new_tokens,
    }


def answer_all(arms: Sequence[Arm], prompts: Mapping[str, list[list[int]]], answers: AnswerFile) -> None:
    """Lets each arm answer what it hasn't answered yet; loads only the models that have something to answer.

    Args:
        arms: Who answers.
        prompts: What `make_prompts` made.
        answers: Where answers go.
    """
    missing = {
        arm.name: [place for place in range(len(prompts[arm.name])) if (place, arm.name) not in answers.answers]
        for arm in arms
    }
    known = len(answers.answers)
    if known and any(missing.values()):
        log.info("%d answers are there already, %d are missing.", known, sum(map(len, missing.values())))
    try:
        for arm, model in _models([arm for arm in arms if missing[arm.name]]):
            _answer_as(arm, model, prompts[arm.name], missing[arm.name], answers)
    except KeyboardInterrupt:
        log.info("Interrupted: %d answers are kept, the same command goes on with the others.", len(answers.answers))
        raise


def _answer_as(
    arm: Arm, model: nn.Module, prompts: Sequence[list[int]], places: Sequence[int], answers: AnswerFile
) -> None:
    step = _BATCHES_AT_ONCE * arm.opened.cfg.evaluation.generate_batch_rows
    with progress(f"{arm.name} answers", len(places), shown_from=0) as advance:
        for start in range(0, len(places), step):
            chunk = places[start : start + step]
            made = answer(arm.opened.cfg, arm.opened.inputs, model, [prompts[place] for place in chunk])
            answers.add(
                ArmAnswer(place, arm.name, one.text, one.stopped, one.tokens)
                for place, one in zip(chunk, made, strict=True)
            )
            advance(len(chunk))


def _models(arms: Sequence[Arm]) -> Iterator[tuple[Arm, nn.Module]]:
    """Yields each arm with its model; those of one run come from one loaded base."""
    by_run: dict[int, list[Arm]] = {}
    for arm in arms:
        by_run.setdefault(id(arm.opened), []).append(arm)
    for group in by_run.values():
        wanted = {arm.model: arm for arm in group}
        for name, model in group[0].opened.arms(base="base" in wanted):
            if name in wanted:
                yield wanted[name], model
