"""Writes the cleaned set (`check.write`): which files it is made of, where it goes, how a row is mended.

In: the configuration and an examination. Out: files beside the original, which is never touched.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from omegaconf import DictConfig

from ftlab.check.examination import Examination
from ftlab.check.mend import mend
from ftlab.check.write import Original, beside, check_targets, write_clean
from ftlab.data.faults import Faults
from ftlab.data.files import DataFile, find_files
from ftlab.data.guess import Guess
from ftlab.data.reader import LOOKED_AT, recognise
from ftlab.data.records import TWICE, read_records
from ftlab.data.row import Row
from ftlab.problem import InputError, Problem, raise_all
from ftlab.stage.source import plain

READ_MENDS = frozenset({TWICE})
"""Codes of which reading alone mends a row: what is written is what was read."""


def find_originals(cfg: DictConfig) -> list[Original]:
    """The files that the cleaned set is made of; empty where none is asked for.

    Raises:
        InputError: The cleaned set can't be written there, or there are no files to clean.
    """
    if cfg.check.write is None:
        return []
    if cfg.data.path is None:
        raise InputError([Problem("check.write", "needs rows in files, but data.path is null.", "Set data.path.")])
    path = Path(cfg.check.write).expanduser()
    targets = {key: path if key == "path" else beside(path, key.removesuffix("_path")) for key in file_keys(cfg)}
    originals = [
        Original(file, target, cfg.data.format, plain(cfg.data.columns))
        for key, target in targets.items()
        for file in files(cfg, key)
    ]
    if (folder := Path(cfg.data.path).expanduser()).is_dir() and folder.resolve() == path.absolute().parent.resolve():
        what = f"must not lie in the folder that is read, but '{path}' does: it would be read the next time."
        raise InputError([Problem("check.write", what, "Choose another folder.")])
    looks = {look_of(one.file, one.row_format, one.columns).columns: one.file.shown for one in originals}
    if len(looks) > 1:
        what = f"needs rows of one format with the same names, but these differ: {', '.join(looks.values())}."
        raise InputError([Problem("check.write", what, "Clean them one by one, each with data.path and a name.")])
    inputs = [original.file.path for original in originals]
    raise_all(check_targets(path, [*targets.values(), beside(path, "changes")], inputs))
    return originals


def file_keys(cfg: DictConfig) -> list[str]:
    """The settings that name files, in the order in which they are read."""
    return [key for key in ("path", "validation_path", "test_path") if cfg.data[key] is not None]


def look_of(file: DataFile, row_format: str, columns: Mapping[str, str]) -> Guess:
    """Returns what the rows of a file are read as."""
    return recognise(list(islice(read_records(file, Faults()), LOOKED_AT)), row_format, columns)


def files(cfg: DictConfig, key: str) -> list[DataFile]:
    """Returns the files that one of them names."""
    return find_files(f"data.{key}", cfg.data[key], cfg.data.file_format)[0]


def write(cfg: DictConfig, done: Examination, originals: Sequence[Original]) -> dict[str, str]:
    """Writes the cleaned set where it is asked for.

    Args:
        cfg: The composed configuration.
        done: Whose plan is carried out.
        originals: As `find_originals` gave them.

    Returns:
        What was written, by what it is.

    Raises:
        InputError: A file can't be written.
    """
    if not originals:
        return {}
    changes = beside(Path(cfg.check.write).expanduser(), "changes")
    write_clean(changes, originals, done.cleaning, lambda row, code: mended(cfg, row, code))
    targets = dict.fromkeys(str(original.target) for original in originals)
    return {"cleaned set": ", ".join(targets), "its changes": str(changes)}


def mended(cfg: DictConfig, row: Row, code: str) -> Row:
    """Returns the row, mended for one code as far as the configuration asks for it."""
    return row if code in READ_MENDS else mend(row, code, mask_personal_data=cfg.check.mask_personal_data)
