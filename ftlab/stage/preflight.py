"""Encodes the rows that can be trained on and proves their loss masks, before any weight is loaded.

In: the rows and what the check has found so far. Out: token ids; every breach is a finding at its row.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from transformers import PreTrainedTokenizerBase

from ftlab.check.examination import Examination, of_ids
from ftlab.check.masks import check_masks
from ftlab.data import cache
from ftlab.data.faults import Faults
from ftlab.data.row import EncodedRow
from ftlab.data.source import Splits
from ftlab.problem import Problem, raise_all
from ftlab.stage.encode import NOTHING_LEFT, Encoded, cache_folder, encode
from ftlab.stage.guard import by_name, code_sha256, count_rows, usable


def take_masks(
    cfg: DictConfig,
    done: Examination,
    splits: Splits,
    encoded: Encoded,
    tokenizer: PreTrainedTokenizerBase,
    limit: int | None,
) -> None:
    """Proves the loss masks of all rows that are encoded whole; parts of long ones have no end of their own.

    Args:
        cfg: The composed configuration.
        done: Takes the breaches.
        splits: The rows.
        encoded: The rows as token ids.
        tokenizer: What encoded them.
        limit: The longest row that was left whole, in tokens; None where all were.
    """
    for name, rows in by_name(splits).items():
        part = getattr(encoded, name)
        whole = np.ones(len(part), dtype=bool)
        if limit is not None and cfg.data.long_rows in ("truncate", "split"):
            whole &= part.lengths < limit
        if limit is not None and cfg.data.long_rows == "split":
            ids, counts = np.unique(part.row_ids, return_counts=True)
            whole &= np.isin(part.row_ids, ids[counts == 1])
        places = np.flatnonzero(whole)
        findings = check_masks(
            _at(part, places.tolist()),
            of_ids(rows, part.row_ids[places].tolist()),
            tokenizer=tokenizer,
            stop_ids=encoded.stop_ids,
            pad_id=int(tokenizer.pad_token_id),
            train_on=cfg.data.train_on,
        )
        done.take(findings, unusable=True)


def encode_checked(
    cfg: DictConfig, done: Examination, splits: Splits, tokenizer: PreTrainedTokenizerBase, limit: int | None
) -> Encoded | None:
    """Encodes the rows that can be trained on, and proves their masks.

    Args:
        cfg: The composed configuration.
        done: Takes what encoder and preflight find.
        splits: The rows.
        tokenizer: With a chat template.
        limit: The longest row allowed, in tokens; None allows all.

    Returns:
        The encoded rows; with errors in `done` they are of no use. None where errors leave none to train on.

    Raises:
        InputError: The template fits no row, or no row is left to train on.
    """
    faults, kept = Faults(), usable(done, splits)
    if not len(kept.train):
        raise_all(nothing_left(done, splits))
        return None
    encoded = encode(cfg, tokenizer, kept, limit, faults)
    done.take_faults(faults)
    before = len(done.tally.unusable)

    def prove(_: Path) -> bool:
        take_masks(cfg, done, splits, encoded, tokenizer, limit)
        return len(done.tally.unusable) == before

    ends = {"stop_ids": encoded.stop_ids, "pad_id": tokenizer.pad_token_id, "train_on": cfg.data.train_on}
    key = cache.key(kind="masks", encoded=encoded.sha256, model=cfg.model.path, code=code_sha256(), **ends)
    cache.Cache(cache_folder(cfg)).entry(None if done.tally.unusable else key, prove)
    if len(done.tally.unusable) > before:
        encoded = encode(cfg, tokenizer, usable(done, splits), limit, Faults())
    if not len(encoded.train):
        raise_all(nothing_left(done, splits))
        return None
    return encoded


def nothing_left(done: Examination, splits: Splits) -> list[Problem]:
    """Returns that silenced faults have left nothing to train on; nothing where there are errors, which say it.

    Args:
        done: All findings.
        splits: The rows.
    """
    if done.tally.outcome() == "errors":
        return []
    what = f"must hold a row that can be trained on, but of {count_rows(splits) + done.unread:,} none is left."
    return [Problem("data.path", what, "Silence fewer codes in check.silence, or mend the rows.", NOTHING_LEFT)]


def _at(rows: Sequence[EncodedRow], places: Sequence[int]) -> Iterator[EncodedRow]:
    return (rows[place] for place in places)
