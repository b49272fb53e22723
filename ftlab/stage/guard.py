"""The check of the rows that guards every run: the same analysers as `task=check` has, in few words.

In: the configuration, the rows, what reader and encoder found. Out: an `Examination`; its errors stop the run, its
warnings are summed up in a line. Rows that only a silenced error hits are left out, and counted. Their masks are
`preflight`'s.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

import ftlab.check
from ftlab.check.cleaning import Cleaning
from ftlab.check.codes import CODES
from ftlab.check.examination import Examination
from ftlab.check.report import SplitAccount
from ftlab.check.structure import read_schema
from ftlab.check.verdict import Rules, Tally, check_rules
from ftlab.data import cache
from ftlab.data.faults import Faults
from ftlab.data.row import Row
from ftlab.data.source import Splits
from ftlab.problem import raise_all
from ftlab.stage.encode import cache_folder

SMALL_ROWS = 20_000
"""Rows of a run of which everything is looked at. Of more, the content of as many is, and near duplicates aren't looked
for, unless `check.near_duplicates=true`: a run isn't kept waiting for what `task=check` is there for."""

_FINDINGS_FILE = "findings.json"
_FIRST = 3
"""Findings of a code that the run card holds; task=check has more."""


def begin(cfg: DictConfig) -> Examination:
    """Begins an examination.

    Args:
        cfg: The composed configuration.

    Returns:
        One without findings, by the rules of the `check` group.

    Raises:
        InputError: The group names a code that there isn't.
    """
    silence, errors = list(cfg.check.silence), list(cfg.check.errors)
    raise_all(check_rules(silence, errors))
    return Examination(Tally(Rules(cfg.check.strict, frozenset(silence), frozenset(errors))))


def look(cfg: DictConfig, done: Examination, splits: Splits, faults: Faults) -> None:
    """Takes what the reader found, and looks at all rows.

    Args:
        cfg: The composed configuration.
        done: Takes all findings.
        splits: The rows.
        faults: What the reader found.

    Raises:
        InputError: A file isn't there, or `data.schema` can't be read.
    """
    done.take_faults(faults, unread=True)
    done.look(by_name(splits), near=cfg.check.near_duplicates is not False, **_settings(cfg))


def look_once(cfg: DictConfig, done: Examination, splits: Splits, faults: Faults) -> None:
    """Takes what the reader found, and looks at the rows as a run does: at most once at the same ones.

    Args:
        cfg: The composed configuration.
        done: Takes all findings.
        splits: The rows.
        faults: What the reader found.

    Raises:
        InputError: A file isn't there, or `data.schema` can't be read.
    """
    done.take_faults(faults, unread=True)
    settings = {"near": wants_near(cfg, splits), "content_rows": SMALL_ROWS, **_settings(cfg)}
    kept = splits.key if not done.tally.unusable else None
    key = kept and cache.key(kind="check", rows=kept, code=code_sha256(), **settings)
    looked = Examination(Tally(done.tally.rules))

    def build(folder: Path) -> bool:
        looked.look(by_name(splits), **settings)
        (folder / _FINDINGS_FILE).write_text(json.dumps(looked.tally.saved()), encoding="utf-8")
        return not looked.tally.unusable

    entry = cache.Cache(cache_folder(cfg)).entry(key, build)
    done.tally.restore(json.loads((entry.folder / _FINDINGS_FILE).read_text(encoding="utf-8")))
    done.tally.unusable |= looked.tally.unusable


def _settings(cfg: DictConfig) -> dict[str, Any]:
    return {
        "train_on": cfg.data.train_on,
        "near_threshold": cfg.check.near_threshold,
        "schema": None if cfg.data.schema is None else read_schema(cfg.data.schema),
    }


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Names this version of the checks: another one doesn't take over what they found."""
    digest = hashlib.sha256()
    for file in sorted(Path(ftlab.check.__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def wants_near(cfg: DictConfig, splits: Splits) -> bool:
    """Returns whether a training run looks for near duplicates."""
    asked = cfg.check.near_duplicates
    return count_rows(splits) <= SMALL_ROWS if asked == "auto" else bool(asked)


def by_name(splits: Splits) -> dict[str, Sequence[Row]]:
    """Returns the rows by split."""
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def count_rows(splits: Splits) -> int:
    """Returns how many rows all splits have together."""
    return sum(map(len, by_name(splits).values()))


def usable(done: Examination, splits: Splits) -> Splits:
    """Returns the splits without the rows that can't be trained on."""
    if not done.tally.unusable:
        return splits
    return replace(
        splits,
        key=None,
        train=done.usable(splits.train),
        validation=done.usable(splits.validation),
        test=done.usable(splits.test),
    )


def notes(cfg: DictConfig, done: Examination, splits: Splits) -> Iterator[str]:
    """Says in a line what the check came to, and what it left out.

    Args:
        cfg: The composed configuration.
        done: All findings.
        splits: The rows.

    Yields:
        One sentence each.
    """
    left_out, tally = done.left_out(), done.tally
    used = f"{left_out.total():,} left out ({_listed(left_out)})" if left_out else "all are used"
    warnings = {code: count for code, count in tally.counts.items() if tally.rules.gravity(code) == "warning"}
    said = f"warnings: {_listed(warnings)} (task=check shows them)" if warnings else "no warnings"
    yield f"Checked {count_rows(splits) + done.unread:,} rows: {used}, {said}."
    if count_rows(splits) > SMALL_ROWS:
        near = "" if wants_near(cfg, splits) else ", and near duplicates weren't looked for"
        yield f"The content of {SMALL_ROWS:,} of these rows was looked at{near}: task=check looks at all."


def account(done: Examination, splits: Splits) -> dict[str, Any]:
    """Accounts for every row of a run, with what was found, as plain data for its card.

    Args:
        done: All findings.
        splits: The rows as they were read, those that can't be used among them.

    Returns:
        `accounts` by split (nothing is changed for a run: its rows are used or left out), `groups` of findings by code
        with the first of each, and the `outcome`.
    """
    names = by_name(splits)
    if done.left_out():
        accounts = Cleaning(dict(done.tally.unusable), lost=done.cleaning.lost).account(names, {})
    else:  # without reading a row
        accounts = (SplitAccount(name, len(rows), len(rows), 0, 0, {}) for name, rows in names.items())
    groups = [
        {**asdict(group), "first": [asdict(one) for one in group.first[:_FIRST]]} for group in done.tally.groups()
    ]
    return {
        "outcome": done.tally.outcome(),
        "accounts": [asdict(one) for one in accounts],
        "groups": groups,
    }


def _listed(counts: Mapping[str, int]) -> str:
    """Such as `FT201 exact duplicate 3`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {CODES[code].title} {count:,}" for code, count in ordered)
