"""Puts the votes of a blind test together: merges files that raters sent back, scores, writes result and page.

In: the configuration. Out: `Scored`, and the files `result.json`, `result.csv` and `result.html` in the test's folder.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ftlab.config.build import build_all
from ftlab.config.explain import key_of
from ftlab.evaluation.blind.answers import read_settings
from ftlab.evaluation.blind.page import write_result
from ftlab.evaluation.blind.record import vote_rows, write_csv
from ftlab.evaluation.blind.result import Result
from ftlab.evaluation.blind.score import score
from ftlab.evaluation.blind.seal import ANSWERS
from ftlab.evaluation.blind.sheet import Rating, stray_problems
from ftlab.evaluation.blind.store import FILE as STORE
from ftlab.evaluation.blind.store import RatingStore
from ftlab.evaluation.blind.trial import RATINGS, Trial
from ftlab.logger.evaluation import PREFIX, mirror
from ftlab.logger.wandb import WandbRun
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import FILE as CARD
from ftlab.report.card import add_evaluation, read_card
from ftlab.report.run import shown, write_report
from ftlab.stage.arms import weights_of
from ftlab.stage.compare import find_folder, raters_of, run_folder
from ftlab.stage.trained import ADAPTER, MODEL

log = logging.getLogger(__name__)

VOTES = f"{PREFIX}/blind_votes"
"""The table of all votes in W&B."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a score came to.

    Attributes:
        folder: The test's.
        result: What the test says.
        rows: Every vote with its arms named.
        title: What was compared, in one line.
        written: Where things lie, by name.
    """

    folder: Path
    result: Result
    rows: list[dict[str, Any]]
    title: str
    written: dict[str, str]


def score_test(cfg: DictConfig) -> Scored:
    """Scores a test and writes what it says.

    Args:
        cfg: The composed configuration.

    Returns:
        The result and where it lies.

    Raises:
        InputError: It is no sealed test, a file of ratings can't be taken, or nobody has voted.
    """
    folder = find_folder(cfg)
    trial = Trial(folder)
    raters = raters_of(cfg, folder)
    store = RatingStore(folder / STORE)
    raise_all(_merge(cfg, trial, store, raters))
    ratings = list(_belonging(trial, store.all()))
    if not ratings and trial.asked:
        fix = "Add compare.serve=true to rate, or put the files that raters sent back into compare.ratings=[...]."
        raise InputError([Problem(str(folder), "must hold votes, but nobody has rated yet.", fix)])
    result = score(trial, ratings, raters)
    verdicts = trial.unblind(ratings)
    title = f"{' · '.join(trial.key.arms)} · {len(trial.questions)} questions"
    rows = vote_rows(trial, verdicts)
    files = {name: folder / f"result.{ending}" for name, ending in (("page", "html"), ("numbers", "json"))}
    if rows:
        files["every vote"] = folder / "result.csv"
        write_csv(files["every vote"], rows)
    write_result(files["page"], trial, verdicts, result, title=title)
    numbers = {"blind": result.section(), **result.to_dict()}
    files["numbers"].write_text(json.dumps(numbers, ensure_ascii=False, indent=1), encoding="utf-8")
    return Scored(folder, result, rows, title, {name: shown(path) for name, path in files.items()})


def publish(cfg: DictConfig, scored: Scored, overrides: Sequence[str] | None = None) -> None:
    """Adds the result to the run's card and page, and every vote to W&B where that is a logger of the run.

    Args:
        cfg: The composed configuration.
        scored: What the score came to.
        overrides: What was typed; None asks Hydra.
    """
    section = scored.result.section()
    if section is None:
        return
    typed = list(HydraConfig.get().overrides.task if overrides is None else overrides)
    folder, page, logger = scored.folder, None, cfg.logger
    if cfg.run is not None and _answered(run_folder(cfg.run), scored.folder):
        folder = run_folder(cfg.run)
        add_evaluation(folder, "blind", section)
        page = write_report(folder)
        scored.written["the run's page"] = shown(page)
        if not any(key_of(word).startswith("logger") for word in typed):
            logger = DictConfig((read_card(folder) or {})["config"]["logger"])  # where the run's own numbers are
    nodes = {name: node for name, node in logger.items() if node._target_.endswith(f".{WandbRun.__name__}")}
    for wandb in build_all(DictConfig(nodes), "logger", folder=folder, offline=cfg.offline).values():
        mirror(wandb, {"blind": section}, page)
        if scored.rows:
            wandb.show_table(VOTES, scored.rows)
        wandb.finish()


def _answered(run: Path, test: Path) -> bool:
    """Whether a folder is that of a run whose weights gave the answers of a test; says where they are others."""
    if not (run / CARD).is_file():
        return False
    weights = {weights_of(run / name) for name in (ADAPTER, MODEL) if (run / name).is_dir()}
    if any(arm["weights"] in weights for arm in read_settings(test / ANSWERS)["arms"]):
        return True
    log.warning("%s stays as it is: the answers are not of the weights that lie there now.", run / CARD)
    return False


def _merge(cfg: DictConfig, trial: Trial, store: RatingStore, raters: tuple[str, ...]) -> list[Problem]:
    """Takes in the files of ratings; returns what is wrong with those that were refused."""
    problems: list[Problem] = []
    for file in _files(cfg, trial.folder, problems):
        merged = store.merge(file, test=trial.key.test, items=trial.items, raters=raters)
        problems += merged.refused
        if not merged.refused:
            known = f"{merged.unchanged} there already or older than the one that stands"
            log.info("%s: %d votes new, %d replaced, %s.", file, merged.added, merged.replaced, known)
    if problems:
        log.info("Votes of files that are sound have been taken, and stay.")
    return problems


def _files(cfg: DictConfig, folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """The files that are named, and those of the test's own folder; each once."""
    own = folder / RATINGS
    named = [Path(name).expanduser() for name in cfg.compare.ratings]
    found: dict[Path, None] = {}
    for path in [*named, *([own] if own.is_dir() else [])]:
        inside = _inside(path) if path.is_dir() else [path]
        if path in named and (not inside or not path.exists()):
            what = "must be files of ratings or folders that hold some (*.json), but '{}' {}."
            why = "holds none" if path.is_dir() else "isn't there"
            problems.append(Problem("compare.ratings", what.format(path, why)))
            continue
        found |= dict.fromkeys(file.resolve() for file in inside)
    yield from found


def _inside(folder: Path) -> list[Path]:
    """The files of ratings in a folder; says which others are left alone."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    ratings = [path for path in files if path.suffix.lower() == ".json"]
    if others := [path.name for path in files if path not in ratings]:
        log.warning("%s: not read, as their names don't end in .json: %s.", folder, ", ".join(others))
    return ratings


def _belonging(trial: Trial, ratings: list[Rating]) -> Iterator[Rating]:
    """The votes that are about this test; others are counted and said."""
    strays: Counter[str] = Counter()
    for rating in ratings:
        problems = stray_problems(rating, test=trial.key.test, items=trial.items, where=rating.rater)
        strays.update(problem.what for problem in problems)
        if not problems:
            yield rating
    for what, count in strays.items():
        log.warning("%d votes are left out: each %s", count, what)
