"""Several sources in one run: the user's own rows, further sources with weights, and general data against forgetting.

A weight is how often an epoch passes over a source's training rows: 1 takes every row once, 0.5 half of them, 2 each
twice. `data.replay` gives a share of an epoch's rows instead. In: the settings. Out: `Source`s; and, once the rows are
encoded, the `EpochPart`s by which the data module draws, with an exact account of what each source gave.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ftlab.data.epoch import EpochPart
from ftlab.problem import Problem

MAIN, REPLAY = "main", "replay"
"""The names of the run's own rows and of the replayed ones."""

UNKNOWN_KEY, WRONG_NUMBER, NO_PLACE, SAME_NAME, WRONG_TYPE = "FT601", "FT602", "FT603", "FT604", "FT605"

_TEXTS = ("name", "path", "hub_id", "hub_config", "hub_split", "format", "file_format", "prompt")
_NUMBER = {"mix": "weight", "replay": "share"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where some of the rows come from.

    Attributes:
        key: The config key that names its place, for messages, such as `data.mix[0].path`.
        name: What the account calls it.
        role: `train`; or `validation` or `test`, whose rows are held out whole.
        path: File, folder or glob.
        hub_id: A data set of the hub, in place of `path`.
        hub_config: Its configuration.
        hub_split: Its split.
        row_format: What a row looks like.
        file_format: How a file is written.
        columns: What our fields are called.
        prompt: The user turn of an alpaca row.
        weight: Passes over its training rows an epoch.
        share: Share of an epoch's rows, in place of a weight.
        is_held_out: Whether a part of its rows is held out, as of the run's own.
    """

    key: str
    name: str
    role: str
    path: str | None = None
    hub_id: str | None = None
    hub_config: str | None = None
    hub_split: str | None = None
    row_format: str = "alpaca"
    file_format: str = "auto"
    columns: Mapping[str, str] | None = None
    prompt: str = ""
    weight: float = 1.0
    share: float | None = None
    is_held_out: bool = False


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Which rows a source gave.

    Attributes:
        name: The source's name.
        role: `train`, `validation` or `test`.
        start: Its first place among all rows.
        end: Its last place, exclusive.
        first_id: The number of its first row.
        end_id: The number behind its last row.
        weight: Passes over its training rows an epoch.
        share: Share of an epoch's rows, in place of a weight.
        is_held_out: Whether a part of its rows is held out.
    """

    name: str
    role: str
    start: int
    end: int
    first_id: int
    end_id: int
    weight: float = 1.0
    share: float | None = None
    is_held_out: bool = False


class Counted(Protocol):
    """What the account needs to know of encoded rows."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        ...

    @property
    def targets_counts(self) -> NDArray[np.int64]:
        """Tokens of each row that carry loss."""
        ...

    @property
    def row_ids(self) -> NDArray[np.int64]:
        """The number of each row, ascending."""
        ...


def read_mix(
    mix: Sequence[Mapping[str, Any]], replay: Mapping[str, Any] | None, like: Source
) -> tuple[list[Source], list[Problem]]:
    """Reads the settings of further sources.

    Args:
        mix: `data.mix`.
        replay: `data.replay`.
        like: The run's own rows: format, columns and prompt are theirs where a source names none.

    Returns:
        The sources, and everything that is wrong with them.
    """
    settings = [(f"data.mix[{number}]", "mix", entry) for number, entry in enumerate(mix)]
    settings += [("data.replay", "replay", replay)] if replay is not None else []
    sources: list[Source] = []
    problems: list[Problem] = []
    for key, kind, given in settings:
        found = list(_problems(key, kind, given))
        problems += found
        if not found:
            sources.append(_source(key, kind, given, like))
    names = [like.name, *(source.name for source in sources)]
    for source in sources:
        if names.count(source.name) > 1:
            what = f"must be a name of its own, but '{source.name}' is taken."
            where = f"{source.key.rpartition('.')[0]}.name"
            problems.append(Problem(where, what, f"Set {where}.", SAME_NAME))
    return sources, problems


def epoch_parts(sources: Sequence[SourceRows], train: Counted) -> list[EpochPart]:
    """Says what an epoch takes of each source.

    Args:
        sources: Those whose rows are trained on, in the order of their rows.
        train: The encoded training rows.

    Returns:
        One part for each source that has training rows, in their order.
    """
    edges = [
        (source, *np.searchsorted(train.row_ids, (source.first_id, source.end_id)).tolist())
        for source in sources
        if source.role == "train"
    ]
    filled = [(source, start, end - start) for source, start, end in edges if end > start]
    weighed = sum(_take(source.weight, rows) for source, _, rows in filled if source.share is None)
    parts = []
    for source, start, rows in filled:
        take = _take(source.weight, rows)
        if source.share is not None:
            take = max(1, round(weighed * source.share / (1 - source.share)))
        parts.append(EpochPart(source.name, start, rows, take))
    return parts


def account(parts: Sequence[EpochPart], train: Counted, epochs: float) -> list[dict[str, Any]]:
    """Accounts for what each source gives to a run.

    Args:
        parts: As `epoch_parts` gave them.
        train: The encoded training rows.
        epochs: Passes over the epoch's rows in the whole run, as a fraction.

    Returns:
        Plain data, one entry a source: its training rows with their tokens, the rows an epoch takes, their share, and
        how often the run passes over the source.
    """
    total = sum(part.take for part in parts)
    return [
        {
            "source": part.name,
            "rows": part.rows,
            "tokens": int(train.lengths[part.start : part.start + part.rows].sum()),
            "supervised_tokens": int(train.targets_counts[part.start : part.start + part.rows].sum()),
            "rows_per_epoch": part.take,
            "share_of_rows": part.take / total,
            "passes": epochs * part.take / part.rows,
        }
        for part in parts
    ]


def notes(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says the account, one sentence a source; nothing where there is only one."""
    if len(entries) < 2:
        return []
    return [
        f"Source {entry['source']}: {entry['rows']} training rows ({entry['tokens']} tokens, "
        f"{entry['supervised_tokens']} of them supervised); an epoch takes {entry['rows_per_epoch']} of them, "
        f"{entry['share_of_rows']:.1%} of its rows; the run passes over the source {entry['passes']:.2f} times."
        for entry in entries
    ]


def _take(weight: float, rows: int) -> int:
    return max(1, round(weight * rows))


def _source(key: str, kind: str, given: Mapping[str, Any], like: Source) -> Source:
    kind_of_place = "path" if given.get("path") else "hub_id"
    place = given[kind_of_place]
    return Source(
        key=f"{key}.{kind_of_place}",
        name=given.get("name") or (REPLAY if kind == "replay" else Path(place).stem),
        role="train",
        path=given.get("path"),
        hub_id=given.get("hub_id"),
        hub_config=given.get("hub_config"),
        hub_split=given.get("hub_split"),
        row_format=given.get("format") or like.row_format,
        file_format=given.get("file_format") or like.file_format,
        columns={**(like.columns or {}), **(given.get("columns") or {})},
        prompt=given.get("prompt") or like.prompt,
        weight=float(given.get("weight", 1.0)),
        share=float(given["share"]) if kind == "replay" else None,
        is_held_out=bool(given.get("validation", False)),
    )


def _problems(key: str, kind: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    number = _NUMBER[kind]
    known = (*_TEXTS, "columns", number, "validation")
    for name in given:
        if name not in known:
            yield Problem(f"{key}.{name}", f"must be one of {', '.join(known)}.", "", UNKNOWN_KEY)
    for name in _TEXTS:
        if not isinstance(given.get(name), str | None):
            yield Problem(f"{key}.{name}", f"must be text, but is {given[name]!r}.", "", WRONG_TYPE)
    if not isinstance(given.get("columns"), Mapping | None):
        what = f"must be a mapping of our field names to yours, but is {given['columns']!r}."
        yield Problem(f"{key}.columns", what, "", WRONG_TYPE)
    if not isinstance(given.get("validation", False), bool):
        yield Problem(f"{key}.validation", f"must be true or false, but is {given['validation']!r}.", "", WRONG_TYPE)
    value = given.get(number, 1.0 if kind == "mix" else None)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    if not is_number or value <= 0 or (kind == "replay" and value >= 1):
        what = "more than 0" if kind == "mix" else "more than 0 and less than 1"
        yield Problem(f"{key}.{number}", f"must be a number {what}, but is {value!r}.", _number_fix(kind), WRONG_NUMBER)
    if bool(given.get("path")) == bool(given.get("hub_id")):
        what = "must name its rows by either path or hub_id."
        yield Problem(key, what, f"Set {key}.path to a file, folder or glob.", NO_PLACE)


def _number_fix(kind: str) -> str:
    if kind == "mix":
        return "It is how often an epoch passes over the source's rows: 1 takes each once."
    return "It is the share of an epoch's rows, such as 0.1; null in place of data.replay leaves it out."
