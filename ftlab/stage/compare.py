"""Makes a blind side-by-side test: every arm's answers, the sealed key, and a page for each rater.

In: the configuration. Out: a folder with all of the test. What was answered before is kept. Votes are put together by
`ftlab.stage.votes`.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from ftlab.evaluation.blind import seal
from ftlab.evaluation.blind.answers import AnswerFile
from ftlab.evaluation.blind.question import question_notes, reference_of, shown_question
from ftlab.evaluation.blind.strip import Rules, telling_names
from ftlab.evaluation.blind.trial import Asked, Trial, write_questions
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import FILE as CARD
from ftlab.stage.arms import Arm, answer_all, make_prompts, rater_name_problems, read_arms, settings_of
from ftlab.stage.prepare import plain
from ftlab.stage.trained import ADAPTER, MODEL

log = logging.getLogger(__name__)

FOLDER = "compare"
"""Where the test lies in the run's folder."""

RATERS_FILE = "raters.json"
_FIRST_RATERS = ("expert-1", "expert-2")


def find_folder(cfg: DictConfig) -> Path:
    """Returns where the test lies.

    Args:
        cfg: The composed configuration.

    Raises:
        InputError: Nothing says it.
    """
    if cfg.compare.folder is not None:
        return Path(cfg.compare.folder).expanduser()
    if cfg.run is None:
        what = "must be given where `run` isn't."
        raise InputError([Problem("compare.folder", what, "Add run=<a run's folder>, or compare.folder=<a folder>.")])
    folder = Path(cfg.run).expanduser()
    inside = folder.name in (ADAPTER, MODEL) and (folder.parent / CARD).is_file()
    return (folder.parent if inside else folder) / FOLDER


def make_test(cfg: DictConfig) -> Trial:
    """Writes what is missing of a test: questions, answers, key.

    Args:
        cfg: The composed configuration.

    Returns:
        The sealed test.

    Raises:
        InputError: Everything that is wrong.
    """
    folder = find_folder(cfg)
    is_sealed = (folder / seal.FILE).is_file()
    if is_sealed and cfg.run is None and not cfg.compare.runs:
        return Trial(folder)
    arms, rows = read_arms(cfg)
    rules = _rules(cfg, arms)
    prompts = make_prompts(arms, rows)
    asked = [Asked(row.origin, shown_question(row), reference_of(row)) for row in rows]
    answers = AnswerFile(folder / seal.ANSWERS, settings_of(cfg, arms, asked))
    if is_sealed:
        trial = Trial(folder)
        raise_all(_changed(trial.key, cfg, rules))
        return trial
    for note in filter(None, [answers.note, *question_notes(rows)]):
        log.info(note)
    write_questions(folder, asked)
    answer_all(arms, prompts, answers)
    seal.seal(folder, arms=tuple(arm.name for arm in arms), every_pair=cfg.compare.every_pair, rules=rules)
    return Trial(folder)


def raters_of(cfg: DictConfig, folder: Path) -> tuple[str, ...]:
    """Returns who is asked: those named before and now; remembers them in the test's folder.

    Args:
        cfg: The composed configuration.
        folder: The test's.

    Raises:
        InputError: A name can't be one.
    """
    file = folder / RATERS_FILE
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    named = plain(cfg.compare.raters) or ([] if before else _FIRST_RATERS)
    raise_all(rater_name_problems(named))
    raters = tuple(dict.fromkeys([*before, *named]))
    if list(raters) != before:
        file.write_text(json.dumps(raters, ensure_ascii=False), encoding="utf-8")
    return raters


def _rules(cfg: DictConfig, arms: Sequence[Arm]) -> Rules:
    strip = cfg.compare.strip
    models = [name for arm in arms for name in (arm.opened.cfg.model.name, arm.opened.cfg.model.path) if name]
    names = telling_names(models) if strip.names == "auto" else tuple(strip.names)
    return Rules(strip.thinking, strip.markers, names, tuple(strip.patterns))


def _changed(key: seal.Key, cfg: DictConfig, rules: Rules) -> Iterator[Problem]:
    """Settings that differ from those the test was sealed with."""
    fix = "Leave it as it was, or start another test: compare.folder=<a new folder>."
    if key.rules != rules:
        yield Problem("compare.strip", f"must be as it was when the test was sealed on {key.sealed}.", fix)
    if key.every_pair != cfg.compare.every_pair:
        yield Problem("compare.every_pair", f"must be as it was when the test was sealed on {key.sealed}.", fix)
