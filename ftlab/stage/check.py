"""Checks the rows of a run without loading weights: what `task=check` does.

In: the configuration. Out: a `CheckReport`, its files, and the cleaned set where it is asked for. What guards a
training run is `guard`'s.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from ftlab.check.examination import Examination
from ftlab.check.finding import Finding
from ftlab.check.page import write_page
from ftlab.check.report import CheckReport, TokenReport
from ftlab.check.tokens import Schedule, find_tokens, measure
from ftlab.check.view import ColouredRow, coloured_rows, telling_rows
from ftlab.check.write import changed_rows
from ftlab.data import mix
from ftlab.data.encoded_store import StoredEncodedRows
from ftlab.data.faults import Faults
from ftlab.data.files import find_files
from ftlab.data.guess import Guess
from ftlab.data.reader import recognise
from ftlab.data.row import EncodedRow, SpannedRow
from ftlab.data.source import Splits
from ftlab.model.check import check_model
from ftlab.model.tokenizer import load_tokenizer
from ftlab.problem import InputError, Problem, raise_all
from ftlab.stage.clean import READ_MENDS, file_keys, files, find_originals, look_of, mended, write
from ftlab.stage.encode import Encoded, account, encode
from ftlab.stage.guard import begin, by_name, look, usable
from ftlab.stage.preflight import nothing_left, take_masks
from ftlab.stage.replay import replay_of
from ftlab.stage.source import load_model_config, model_source, plain, read_rows

USUAL_BUDGET_TOKENS = 8192
"""What is reckoned with where `training.micro_batch_tokens=auto` leaves it to the device."""

REPORT_FILE = "check.json"

_TERMINAL_TOKENS = 120
"""Tokens of a row that the terminal shows."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to.

    Attributes:
        report: All of it as plain values.
        view: A few rows with their masks.
    """

    report: CheckReport
    view: tuple[Text, ...]


def check(cfg: DictConfig) -> Checked:
    """Checks the rows that the `data` group names.

    Args:
        cfg: The composed configuration.

    Returns:
        The report; its files are written.

    Raises:
        InputError: Something is wrong that is no matter of rows: a setting, a file that isn't there, the model.
    """
    raise_all(_page_problems(cfg.check.page))
    done = begin(cfg)
    originals = find_originals(cfg)
    tokenizer, limit, notes = _tokenizer(cfg)
    faults = Faults()
    splits = read_rows(cfg, faults)
    look(cfg, done, splits, faults)
    encoded = _encoded(cfg, done, splits, tokenizer)
    tokens, view = (None, ((), ())) if encoded is None else _measure(cfg, done, splits, encoded, tokenizer, limit)
    written = write(cfg, done, originals)
    said = {f"{problem.where}: {problem.what} {problem.fix}".strip() for problem, _ in faults.notes}
    shares = () if encoded is None else mix.notes(account(cfg, encoded.train, encoded.parts))
    decided = [note for note in (*splits.notes, *notes, *shares) if note not in said]
    report = _report(cfg, done, splits, tokens, view[0], decided, written)
    folder = Path(cfg.output_dir)
    report.written["page"] = _shown(folder / cfg.check.page)
    report.written["report"] = _shown(folder / REPORT_FILE)
    write_page(report, folder / cfg.check.page)
    (folder / REPORT_FILE).write_text(json.dumps(report.to_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
    return Checked(report, tuple(row.text() for row in view[1]))


def _page_problems(name: str) -> list[Problem]:
    if Path(name).name == name and name.endswith(".html"):
        return []
    what = f"must be a file's name that ends in .html, but is '{name}'."
    return [Problem("check.page", what, "It lies in the run's folder, which hydra.run.dir names.")]


def _tokenizer(cfg: DictConfig) -> tuple[PreTrainedTokenizerBase, int | None, list[str]]:
    """The tokenizer, the longest row that model and settings allow, and what was decided."""
    source = model_source(cfg)
    limit = cfg.training.max_row_tokens or cfg.model.context_tokens
    raise_all(check_model(**source, weights=cfg.model.weights, shape=plain(cfg.model.shape), max_row_tokens=limit))
    tokenizer, notes = load_tokenizer(**source, weights=cfg.model.weights, chat_template=cfg.model.chat_template)
    context = getattr(load_model_config(cfg).get_text_config(), "max_position_embeddings", None)
    return tokenizer, limit or context, notes


def _encoded(cfg: DictConfig, done: Examination, splits: Splits, tokenizer: PreTrainedTokenizerBase) -> Encoded | None:
    """The usable rows as token ids, however long; None where there is none to train on."""
    faults, kept, encoded = Faults(), usable(done, splits), None
    try:
        encoded = encode(cfg, tokenizer, kept, None, faults) if len(kept.train) else None
    except InputError as error:
        for problem in error.problems:
            faults.add(problem)
    done.take_faults(faults)
    if encoded is None or not len(encoded.train):
        done.take(Finding(found.code, found.where, found.what, found.fix) for found in nothing_left(done, splits))
        return None
    take_masks(cfg, done, splits, encoded, tokenizer, limit=None)
    return encoded


def _measure(
    cfg: DictConfig,
    done: Examination,
    splits: Splits,
    encoded: Encoded,
    tokenizer: PreTrainedTokenizerBase,
    limit: int | None,
) -> tuple[TokenReport, tuple[Sequence[ColouredRow], Sequence[ColouredRow]]]:
    """The tokens, and a few rows with their masks for the page and, shorter, for the terminal."""
    parts: dict[str, StoredEncodedRows] = {name: getattr(encoded, name) for name in by_name(splits)}
    lengths = {name: part.lengths for name, part in parts.items()}
    ids = np.concatenate([part.row_ids for part in parts.values()])
    every = np.concatenate(list(lengths.values()))
    shown = [encoded.train[place] for place in telling_rows(encoded.train.lengths.tolist())]
    is_over = every > (limit or every.max())
    longest = int(ids[every.argmax()])
    wanted = {longest, *ids[is_over].tolist(), *(row.id for row in shown)}
    rows = {row.id: row for row in chain(*by_name(splits).values()) if row.id in wanted}
    over = [encoded.train[int(place)] for place in np.flatnonzero(lengths["train"] > (limit or every.max()))]
    training = cfg.training
    report = measure(
        lengths,
        encoded.train.targets_counts,
        [_spanned(row) for row in over],
        rows[longest],
        tokenizer=cfg.model.name,
        limit=limit,
        schedule=Schedule(
            training.batch_rows,
            USUAL_BUDGET_TOKENS if training.micro_batch_tokens == "auto" else training.micro_batch_tokens,
            training.epochs,
            training.max_steps,
        ),
        epoch_rows=encoded.epoch_rows,
    )
    long = [
        (rows[row_id], tokens) for row_id, tokens in zip(ids[is_over].tolist(), every[is_over].tolist(), strict=True)
    ]
    for finding in find_tokens(report, long, cfg.data.long_rows):
        done.take([finding], unusable=finding.code == "FT301")
    origins = [rows[row.id].origin for row in shown]
    page = coloured_rows(shown, origins, tokenizer=tokenizer)
    terminal = coloured_rows(shown, origins, tokenizer=tokenizer, shown_tokens=_TERMINAL_TOKENS)
    return report, (page, terminal)


def _spanned(row: EncodedRow) -> SpannedRow:
    """The row with its mask as stretches."""
    edges = np.flatnonzero(np.diff(row.supervised.numpy().astype(np.int8), prepend=0, append=0)).tolist()
    return SpannedRow(row.id, row.ids.tolist(), tuple(zip(edges[::2], edges[1::2], strict=True)))


def _report(
    cfg: DictConfig,
    done: Examination,
    splits: Splits,
    tokens: TokenReport | None,
    view: Sequence[ColouredRow],
    notes: Sequence[str],
    written: dict[str, str],
) -> CheckReport:
    names = by_name(splits)
    mends = done.cleaning.mends
    rows = chain(*names.values()) if mends else ()
    changed = dict(changed_rows(rows, mends, lambda row, code: mended(cfg, row, code), READ_MENDS))
    looks = _looks(cfg)
    renamed = {field: name for look in looks for field, name in look.renamed.items()}
    given = set(plain(cfg.data.columns).values())
    return CheckReport(
        sources=_sources(cfg),
        row_format=", ".join(dict.fromkeys(look.row_format for look in (*looks, *_mixed_looks(cfg)))),
        columns=renamed,
        guessed=any(name not in given for name in renamed.values()),
        accounts=tuple(done.cleaning.account(names, changed)),
        groups=done.tally.groups(),
        tokens=tokens,
        view="\n".join(row.html() for row in view),
        notes=tuple(notes),
        outcome=done.tally.outcome(),
        exit_code=done.tally.exit_code(),
        written=written,
    )


def _looks(cfg: DictConfig) -> list[Guess]:
    """What the rows of each file were read as."""
    if cfg.data.hub_id is not None:
        return [Guess(cfg.data.format, ())]
    row_format, columns = cfg.data.format, plain(cfg.data.columns)
    found = [look_of(file, row_format, columns) for key in file_keys(cfg) for file in files(cfg, key)]
    return found or [recognise([], row_format, columns)]


def _mixed_looks(cfg: DictConfig) -> Iterator[Guess]:
    """The same of the sources that are mixed in."""
    for entry in _mixed(cfg):
        source = {**plain(cfg.data), "path": None, **entry}
        inside = find_files("data.mix", source["path"], source["file_format"])[0] if source["path"] else ()
        columns = {**plain(cfg.data.columns), **source["columns"]}
        yield from (look_of(file, source["format"], columns) for file in inside)


def _mixed(cfg: DictConfig) -> list[dict[str, Any]]:
    """The settings of the sources that are mixed in."""
    replay = replay_of(cfg)
    entries = [*plain(cfg.data.mix), *([replay] if replay else [])]
    return [{key: value for key, value in entry.items() if value} for entry in entries]


def _shown(path: Path) -> str:
    """The path from where the user stands, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _sources(cfg: DictConfig) -> tuple[str, ...]:
    own = (cfg.data.hub_id,) if cfg.data.hub_id is not None else tuple(cfg.data[key] for key in file_keys(cfg))
    return (*(own or ("the embedded demo",)), *(entry.get("path") or entry["hub_id"] for entry in _mixed(cfg)))
