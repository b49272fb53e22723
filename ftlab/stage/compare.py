"""Makes a blind side-by-side test: every arm's answers, the sealed key, and a page for each rater.

In: the configuration. Out: a folder with all of the test. What was answered before is kept. Votes are put together by
`ftlab.stage.votes`.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ftlab.config.explain import key_of
from ftlab.evaluation.blind import seal
from ftlab.evaluation.blind.alone import alone
from ftlab.evaluation.blind.answers import AnswerFile
from ftlab.evaluation.blind.offline import write_offline
from ftlab.evaluation.blind.question import question_notes, reference_of, shown_question
from ftlab.evaluation.blind.server import create_app, rater_links, serve
from ftlab.evaluation.blind.store import FILE as STORE
from ftlab.evaluation.blind.store import RatingStore
from ftlab.evaluation.blind.strip import Rules, telling_names
from ftlab.evaluation.blind.trial import Asked, Trial, write_questions
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import FILE as CARD
from ftlab.report.run import override
from ftlab.stage.arms import Arm, answer_all, make_prompts, rater_name_problems, read_arms, settings_of
from ftlab.stage.source import plain
from ftlab.stage.trained import ADAPTER, MODEL

log = logging.getLogger(__name__)

FOLDER = "compare"
"""Where the test lies in the run's folder."""

PAGES = "pages"
"""The folder of the raters' pages."""

RATERS_FILE = "raters.json"
_FIRST_RATERS = ("expert-1", "expert-2")

_FREE = frozenset({"task", "run", "offline", "output_dir", "logger", "trainer", "kernels", "hydra"})
_FREE_HERE = frozenset({"action", "serve", "folder", "raters", "ratings", "port", "language"})
"""Keys that leave a test as it is, at the root and of `compare`."""


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
    return run_folder(cfg.run) / FOLDER


def run_folder(run: str) -> Path:
    """Returns the folder of what `run=` names: the run's, also where its adapter or model is named."""
    folder = Path(run).expanduser()
    inside = folder.name in (ADAPTER, MODEL) and (folder.parent / CARD).is_file()
    return folder.parent if inside else folder


def make_test(cfg: DictConfig, overrides: Sequence[str] | None = None) -> Trial:
    """Writes what is missing of a test: questions, answers, key.

    Args:
        cfg: The composed configuration.
        overrides: What was typed; None asks Hydra.

    Returns:
        The sealed test. One that is sealed already is taken as it is, unless something that would change it was typed.

    Raises:
        InputError: Everything that is wrong.
    """
    folder = find_folder(cfg)
    typed = list(HydraConfig.get().overrides.task if overrides is None else overrides)
    if (folder / seal.FILE).is_file() and all(_is_free(key_of(word)) for word in typed):
        return Trial(folder)
    arms, rows = read_arms(cfg, typed)
    rules = _rules(cfg, arms)
    prompts = make_prompts(arms, rows)
    asked = [Asked(row.origin, shown_question(row), reference_of(row)) for row in rows]
    with alone(folder):
        answers = AnswerFile(folder / seal.ANSWERS, settings_of(cfg, arms, asked))
        if (folder / seal.FILE).is_file():
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
    before = _remembered(file) if file.is_file() else []
    named = plain(cfg.compare.raters) or ([] if before else _FIRST_RATERS)
    raters = tuple(dict.fromkeys([*before, *named]))
    raise_all(rater_name_problems(raters))
    if list(raters) != before:
        with alone(folder):
            file.write_text(json.dumps(raters, ensure_ascii=False), encoding="utf-8")
    return raters


def _remembered(file: Path) -> list[str]:
    """Reads who was asked before."""
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
    except (OSError, ValueError):
        pass
    what = "must be a list of the raters' names, but can't be read."
    raise InputError([Problem(str(file), what, "Remove it, and name them: compare.raters=[...].")])


def write_pages(cfg: DictConfig, trial: Trial, raters: Sequence[str]) -> dict[str, Path]:
    """Writes the page of each rater, which works without a server.

    Args:
        cfg: The composed configuration.
        trial: The test.
        raters: Who is asked.

    Returns:
        The files by rater.
    """
    pages = {rater: trial.folder / PAGES / f"rate-{rater}.html" for rater in raters}
    for rater, path in pages.items():
        write_offline(trial.sheet(rater), path, cfg.compare.language)
    return pages


def serve_pages(
    cfg: DictConfig, trial: Trial, raters: Sequence[str], on_ready: Callable[[dict[str, str]], None]
) -> None:
    """Lets raters vote on a local web page until Ctrl+C.

    Args:
        cfg: The composed configuration.
        trial: The test.
        raters: Who is asked.
        on_ready: Takes each rater's link.

    Raises:
        InputError: The port is taken.
    """
    store = RatingStore(trial.folder / STORE)
    known = store.raters(raters)
    app = create_app(cache(trial.sheet), known, store, language=cfg.compare.language)
    serve(app, cfg.compare.port, lambda port: on_ready(rater_links(known, port)))


def commands(cfg: DictConfig, trial: Trial) -> dict[str, str]:
    """Returns what to type next, by what for.

    Args:
        cfg: The composed configuration.
        trial: The test.
    """
    command = "python -m ftlab task=compare"
    if cfg.run is not None:
        command += f" {override('run', Path(cfg.run))}"
    if cfg.compare.folder is not None:
        command += f" {override('compare.folder', trial.folder)}"
    rate = {"rate here": f"{command} compare.serve=true"} if trial.asked else {}
    return {**rate, "score": f"{command} compare.action=score"}


def _is_free(key: str) -> bool:
    """Whether a key leaves the test itself as it is."""
    group, _, name = key.partition(".")
    return group in _FREE or (group == "compare" and name in _FREE_HERE)


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
