"""Rows as token ids, kept between runs: the part of preparing that needs `data`, tokenizer and limits together."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from transformers import GenerationConfig, PreTrainedTokenizerBase

from ftlab.data import cache, long, mix
from ftlab.data.chat import Encoder
from ftlab.data.datamodule import epochs_at, total_steps
from ftlab.data.encoded_store import StoredEncodedRows
from ftlab.data.encoding import fingerprint, prepare_splits
from ftlab.data.epoch import EpochPart
from ftlab.data.faults import Faults
from ftlab.data.source import Splits
from ftlab.model.load import embedded_path
from ftlab.model.tokenizer import stop_token_ids
from ftlab.problem import InputError, Problem

NOTHING_LEFT = "FT607"


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows of a run as token ids.

    Attributes:
        encoder: What made them.
        stop_ids: Tokens at which an answer ends.
        train: Training rows; at least one.
        validation: Validation rows.
        test: Test rows.
        sha256: Hash of all token ids and masks.
        parts: What each source gives to an epoch.
        notes: What became of rows that are too long, one sentence each.
    """

    encoder: Encoder
    stop_ids: tuple[int, ...]
    train: StoredEncodedRows
    validation: StoredEncodedRows
    test: StoredEncodedRows
    sha256: str
    parts: tuple[EpochPart, ...]
    notes: list[str]

    @property
    def epoch_rows(self) -> int:
        """Rows that an epoch takes, all sources together."""
        return sum(part.take for part in self.parts)


def encode(
    cfg: DictConfig,
    tokenizer: PreTrainedTokenizerBase,
    rows: Splits,
    max_row_tokens: int | None,
    faults: Faults | None = None,
) -> Encoded:
    """Encodes all splits at once, so that all their faults are raised at once; or finds what an earlier run encoded.

    Args:
        cfg: The composed configuration.
        tokenizer: With a chat template.
        rows: The rows as the user wrote them.
        max_row_tokens: The longest row allowed, in tokens; None allows all.
        faults: Takes every row that can't be trained on, and the others are returned; None raises them.

    Returns:
        The encoded rows.

    Raises:
        InputError: No row is left to train on; or, without `faults`, every row that can't be trained on.
    """
    stop_ids = stop_token_ids(_generation_config(cfg), tokenizer)
    settings: dict[str, Any] = {
        "train_on": cfg.data.train_on,
        "max_row_tokens": max_row_tokens,
        "long_rows": cfg.data.long_rows,
        "system": cfg.data.system,
        "stop_ids": stop_ids,
    }
    encoder = Encoder(tokenizer, **settings)
    identity = fingerprint(tokenizer) if rows.key else None
    key = identity and cache.key(kind="encoded", rows=rows.key, tokenizer=identity, **settings)
    found = prepare_splits(encoder, rows, key=key, cache=cache_folder(cfg), faults=faults)
    if not found.train and not faults:
        what = f"must leave rows to train on, but with data.long_rows={cfg.data.long_rows} none is left."
        fix = "Choose data.long_rows=split, or a larger training.max_row_tokens."
        raise InputError([Problem("data.long_rows", what, fix, NOTHING_LEFT)])
    notes = [*encoder.notes, *long.account(found.outcome.counts, cfg.data.long_rows, max_row_tokens)]
    parts = tuple(mix.epoch_parts(rows.sources, found.train))
    return Encoded(encoder, stop_ids, found.train, found.validation, found.test, found.outcome.sha256, parts, notes)


def cache_folder(cfg: DictConfig) -> Path | None:
    """Returns where prepared data is kept between runs; None keeps nothing.

    `data.cache=auto` is `$FTLAB_CACHE`, else `~/.cache/ftlab/prepared`, where that can be written.

    Raises:
        InputError: A folder is given that can't be written.
    """
    given = cfg.data.cache
    if given is None:
        return None
    if given == "auto":
        folder = Path(os.environ.get("FTLAB_CACHE") or "~/.cache/ftlab/prepared").expanduser()
        return None if cache.unusable(folder) else folder
    folder = Path(given).expanduser()
    if reason := cache.unusable(folder):
        what = f"must be a folder that can be written, but '{folder}' can't: {reason}."
        raise InputError([Problem("data.cache", what, "Name another folder, or set data.cache=null.")])
    return folder


def account(cfg: DictConfig, train: StoredEncodedRows, parts: Sequence[EpochPart]) -> list[dict[str, Any]]:
    """Accounts for what each source gives to the whole run (`ftlab.data.mix.account`)."""
    training = cfg.training
    epoch_rows = sum(part.take for part in parts)
    steps = total_steps(epoch_rows, training.batch_rows, training.epochs, training.max_steps)
    return mix.account(parts, train, epochs_at(steps, epoch_rows, training.batch_rows))


def _generation_config(cfg: DictConfig) -> GenerationConfig | None:
    """The model's own, which names its stop tokens; None where it has none."""
    if cfg.model.weights == "random":
        return None
    try:
        return GenerationConfig.from_pretrained(
            cfg.model.path or embedded_path(),
            revision=cfg.model.revision or "main",
            local_files_only=cfg.offline or cfg.model.path is None,
        )
    except OSError:
        return None
