"""Where rows come from: files, the hub or the embedded demo; and which are held out.

In: the `data` keys of the config. Out: `Splits` of `Row`s, which lie in an Arrow file and are kept between runs, or one
`InputError` with everything that is wrong in all files. Nothing is dropped or repaired; whatever is decided for the
user stands in `Splits.notes`. Tokens come later.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from ftlab.data.cache import Cache, key
from ftlab.data.faults import Faults
from ftlab.data.files import DataFile
from ftlab.data.mix import MAIN, Source, SourceRows, read_mix
from ftlab.data.reading import ROWS_FILE, Place, Reading, content, find_places, read_places
from ftlab.data.row import Row
from ftlab.data.row_store import StoredRows
from ftlab.data.schema import PROMPT
from ftlab.data.split import Places, deal, first_share
from ftlab.problem import Problem, raise_all

DEMO_SPLITS = ("train", "validation", "test")


@dataclass(slots=True)
class Splits:
    """The rows of a run. Ids are unique over all three.

    Attributes:
        train: At least one row.
        validation: Held out, for evaluation during training; may be empty.
        test: Held out, for evaluation before and after; may be empty.
        notes: What was decided for the user, one sentence each, to be printed once.
        sources: What each source gave, in the order of the rows.
        key: Names the content of all three; None where it can't be named, so that nothing made of it is kept.
    """

    train: Sequence[Row]
    validation: Sequence[Row]
    test: Sequence[Row]
    notes: list[str] = field(default_factory=list)
    sources: Sequence[SourceRows] = ()
    key: str | None = None


def read_splits(
    *,
    path: str | None = None,
    validation_path: str | None = None,
    test_path: str | None = None,
    row_format: str = "alpaca",
    file_format: str = "auto",
    hub_id: str | None = None,
    hub_config: str | None = None,
    hub_split: str | None = None,
    validation_fraction: float = 0.1,
    train_share: float = 1.0,
    split_seed: int = 1,
    columns: Mapping[str, str] | None = None,
    prompt: str = PROMPT,
    mix: Sequence[Mapping[str, Any]] = (),
    replay: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    faults: Faults | None = None,
) -> Splits:
    """Reads all rows of a run.

    Args:
        path: Training rows: file, folder or glob. None with no `hub_id`: the embedded demo.
        validation_path: Validation rows; None holds out `validation_fraction` of the training rows.
        test_path: Test rows; None holds out as much again.
        row_format: `auto` (by each file's fields), or one of `ftlab.data.schema.RowFormat`.
        file_format: `jsonl`, `json`, `csv`, `parquet`, or `auto` by each file's ending.
        hub_id: A data set of the hub, or a folder in its layout, in place of `path`.
        hub_config: Its configuration.
        hub_split: Its split.
        validation_fraction: Share of the rows held out where no file is given, at least 0 and less than 0.5.
        train_share: Share of the run's own training rows that is used, more than 0 and at most 1; further sources stay
            whole.
        split_seed: Fixes which rows are held out, and which are used.
        columns: What our fields are called in the files.
        prompt: The user turn of an alpaca row.
        mix: Further sources to train on, with weights (`ftlab.data.mix`).
        replay: General data against forgetting, with its share.
        cache: Where what was read is kept for the next run; None keeps nothing.
        faults: Takes what is wrong with files and rows, and the rows that can be read are returned; None raises it.

    Returns:
        The rows and what was decided.

    Raises:
        InputError: Everything that is wrong in the settings; and, without `faults`, in all files.
    """
    main_key = "data.hub_id" if hub_id else "data.path"
    main = Source(
        main_key, MAIN, "train", path, hub_id, hub_config, hub_split, row_format, file_format, columns, prompt,
        is_held_out=True,
    )  # fmt: skip
    further, problems = read_mix(mix, replay, main)
    raise_all([*_setting_problems(path, hub_id, validation_path or test_path, validation_fraction), *problems])
    held = {"validation": validation_path, "test": test_path}
    own = [main, *(_held_out(main, role, given) for role, given in held.items() if given)]
    with ExitStack() as stack:
        is_demo = path is None and hub_id is None
        demo = _demo(main, stack.enter_context(as_file(files("ftlab.data") / "demo"))) if is_demo else []
        places, problems = find_places([*([] if is_demo else own), *further])
        reading, rows, rows_key = _read([*demo, *places], problems, split_seed, cache, faults)
    shares = {role: 0.0 if given or is_demo else validation_fraction for role, given in held.items()}
    splits = _dealt(rows, reading.sources, shares, train_share)
    splits.notes[:0] = reading.notes
    if not is_demo:
        splits.notes += _held_out_notes(splits, held, validation_fraction, split_seed)
    splits.key = rows_key and key(rows=rows_key, shares=shares, train_share=train_share)
    return splits


def read_rows(
    path: str, *, row_format: str = "alpaca", file_format: str = "auto", columns: Mapping[str, str] | None = None
) -> Sequence[Row]:
    """Reads the rows of a file, folder or glob, numbered from 0.

    Raises:
        InputError: Everything that is wrong in the settings, or in all files.
    """
    source = Source("data.path", MAIN, "train", path, None, None, None, row_format, file_format, columns, PROMPT)
    places, problems = find_places([source])
    return _read(places, problems, 0, None, None)[1]


def _read(
    places: Sequence[Place], problems: Sequence[Problem], split_seed: int, cache: Path | None, faults: Faults | None
) -> tuple[Reading, StoredRows, str | None]:
    """Reads all rows, or finds what an earlier run read; also the name of their content.

    Raises:
        InputError: Everything that is wrong, where no `faults` take it.
    """
    for problem in problems if faults is not None else ():
        faults.add(problem)  # type: ignore[union-attr]
    known = None if problems else content(places, cache and cache / "hub")
    rows_key = None if known is None else key(kind="rows", content=known, split_seed=split_seed)
    is_read = False

    def build(folder: Path) -> bool:
        nonlocal is_read
        is_read = True
        faulty = read_places(places, folder, split_seed=split_seed, faults=faults)
        if faults is None:
            raise_all([*problems, *faulty])
        return not faults

    entry = Cache(cache).entry(rows_key, build)
    reading = Reading.load(entry.folder)
    for problem, row_id in reading.remarks if faults is not None and not is_read else ():
        faults.note(problem, row_id)  # type: ignore[union-attr]
    rows = StoredRows(entry.folder / ROWS_FILE, keep=entry)
    return reading, rows, None if faults else rows_key


def _held_out(main: Source, role: str, path: str) -> Source:
    return replace(main, key=f"data.{role}_path", role=role, path=path, hub_id=None, is_held_out=False)


def _demo(main: Source, folder: Path) -> list[Place]:
    """The embedded rows, in their own three files."""
    source = replace(main, row_format="alpaca", is_held_out=False)
    return [
        Place(replace(source, role=role), (DataFile(folder / f"{role}.jsonl", "jsonl", f"demo/{role}.jsonl"),))
        for role in DEMO_SPLITS
    ]


def _dealt(rows: StoredRows, sources: Sequence[SourceRows], shares: Mapping[str, float], train_share: float) -> Splits:
    """Deals the rows out: what a file is given for is used whole; of the rest, the sources' that hold out rows."""
    digests = rows.digests()
    of: dict[str, list[Places]] = {role: [np.zeros(0, np.int64)] for role in DEMO_SPLITS}
    dealt = [np.zeros(0, np.int64)]
    mixed = [np.zeros(0, np.int64)]
    for source in sources:
        places = np.arange(source.start, source.end)
        is_mixed = source.role == "train" and source.name != MAIN
        (dealt if source.is_held_out else mixed if is_mixed else of[source.role]).append(places)
    of_dealt = np.concatenate(dealt)
    parts = deal(digests[of_dealt], validation=shares["validation"], test=shares["test"])
    held = {role: np.concatenate([*of[role], of_dealt[part]]) for role, part in zip(DEMO_SPLITS, parts, strict=True)}
    of_mixed = np.concatenate(mixed)
    is_leak = np.isin(digests[of_mixed], digests[np.concatenate([held["validation"], held["test"]])])
    own = first_share(digests[held["train"]], train_share)
    train = np.sort(np.concatenate([held["train"][own], of_mixed[~is_leak]]))
    splits = Splits(rows.choose(train), rows.choose(held["validation"]), rows.choose(held["test"]), sources=sources)
    if len(own) < len(held["train"]):
        share = f"(data.train_share={train_share:g})"
        splits.notes.append(f"{len(own):,} of {len(held['train']):,} training rows are used {share}.")
    if is_leak.any():
        splits.notes.append(f"{int(is_leak.sum())} rows of mixed sources equal held-out rows and are left out.")
    return splits


def _setting_problems(
    path: str | None, hub_id: str | None, held_out_path: str | None, validation_fraction: float
) -> list[Problem]:
    problems = []
    if path is None and hub_id is None and held_out_path is not None:
        what = f"must be set where held-out rows are ('{held_out_path}'), but is null (the demo, which has its own)."
        problems.append(Problem("data.path", what))
    if path is not None and hub_id is not None:
        problems.append(Problem("data.hub_id", "must not be set together with data.path.", "Set one of them to null."))
    if not 0 <= validation_fraction < 0.5:
        what = f"must be at least 0 and less than 0.5, but is {validation_fraction}."
        problems.append(Problem("data.validation_fraction", what))
    return problems


def _held_out_notes(splits: Splits, held: Mapping[str, str | None], fraction: float, seed: int) -> list[str]:
    rows = sum(source.end - source.start for source in splits.sources if source.is_held_out)
    notes = []
    for role, given in held.items():
        if given:
            continue
        if count := len(getattr(splits, role)):
            how = f"data.validation_fraction={fraction}, data.split_seed={seed}"
            notes.append(f"No {role} file: {count} of {rows} rows are held out for it ({how}).")
        else:
            why = "data.validation_fraction=0" if fraction == 0 else f"too few different rows ({rows})"
            notes.append(f"No {role} rows: no file is given, and {why}.")
    return notes
