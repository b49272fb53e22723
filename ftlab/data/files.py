"""Finds the files that a path means, and says which format each one has.

In: `data.path` and its like, as the user wrote them. Out: existing files with their format. Nothing is parsed here:
a file's first bytes are looked at only to tell a wrong format early.
"""

import difflib
import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ftlab.problem import Problem

FileFormat = Literal["jsonl", "json", "csv", "parquet"]

ENDINGS: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
"""What `data.file_format=auto` makes of a file name's ending."""

OTHER_FORMAT, NO_ROWS = "FT104", "FT105"

_MAGIC = {
    b"\x1f\x8b": ("a gzip archive", "Unpack it."),
    b"PK\x03\x04": ("a zip archive or an office document", "Unpack it, or export it as CSV."),
    b"\xff\xfe": ("UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8."),
    b"\xfe\xff": ("UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8."),
    b"PAR1": ("a Parquet file", "Set data.file_format=parquet."),
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file to read.

    Attributes:
        path: An existing file.
        format: How it is written.
        shown: Its name in messages and in `Row.origin`.
    """

    path: Path
    format: FileFormat
    shown: str


def find_files(key: str, path: str, file_format: str) -> tuple[list[DataFile], list[Problem]]:
    """Finds the files that `path` means: one file, all data files of a folder, or the matches of a glob.

    Args:
        key: The config key that holds `path`, for messages.
        path: File, folder or glob; `~` is the home folder.
        file_format: One of `FileFormat`, or `auto` to go by each name's ending.

    Returns:
        The files in the order of their names, and what is wrong.
    """
    known = (*get_args(FileFormat), "auto")
    if file_format not in known:
        return [], [Problem("data.file_format", f"must be one of {', '.join(known)}, but is '{file_format}'.")]
    names, problems = _names(key, path, file_format)
    files = []
    for name in names:
        found = ENDINGS.get(name.suffix.lower()) if file_format == "auto" else file_format
        if found is None:
            problems.append(
                Problem(
                    key,
                    f"must be a {', '.join(ENDINGS)} file, but is '{name}'.",
                    "Set data.file_format to jsonl, json, csv or parquet.",
                )
            )
        elif problem := _wrong_content(name, found):
            problems.append(problem)
        else:
            files.append(DataFile(name, found, str(name)))  # type: ignore[arg-type]
    return files, problems


def _names(key: str, path: str, file_format: str) -> tuple[list[Path], list[Problem]]:
    place = Path(path).expanduser()
    if place.is_file():
        return [place], []
    if place.is_dir():
        inside = sorted(file for file in place.iterdir() if file.is_file())
        names = [file for file in inside if file_format != "auto" or file.suffix.lower() in ENDINGS]
        if names:
            return names, []
        return [], [Problem(key, f"must hold data files ({', '.join(ENDINGS)}), but the folder '{path}' has none.")]
    if glob.has_magic(path):
        names = sorted(Path(name) for name in glob.glob(str(place), recursive=True) if Path(name).is_file())
        return names, [] if names else [Problem(key, f"must match files, but '{path}' matches none in {Path.cwd()}.")]
    return [], [_missing(key, place)]


def _missing(key: str, place: Path) -> Problem:
    what = f"must be a file, a folder or a glob, but '{place}' doesn't exist (looked from {Path.cwd()})."
    folder = place.parent
    if not folder.is_dir():
        return Problem(key, what, f"The folder '{folder}' doesn't exist either.")
    close = difflib.get_close_matches(place.name, [file.name for file in folder.iterdir()], n=1)
    return Problem(key, what, f"Did you mean {key}={folder / close[0]}?" if close else "")


def _wrong_content(path: Path, file_format: str) -> Problem | None:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        return Problem(str(path), f"can't be read: {error.strerror}.", code=NO_ROWS)
    if not head:
        return Problem(str(path), "must hold rows, but the file is empty.", code=NO_ROWS)
    is_parquet = head == b"PAR1"
    if is_parquet == (file_format == "parquet"):
        found = next((found for magic, found in _MAGIC.items() if head.startswith(magic) and not is_parquet), None)
        found = found or (None if is_parquet else _unmarked_utf16(head))
        if not found:
            return None
        return Problem(str(path), f"must be a {file_format} file, but is {found[0]}.", found[1], OTHER_FORMAT)
    if is_parquet:
        what, fix = _MAGIC[b"PAR1"]
        return Problem(str(path), f"must be a {file_format} file, but is {what}.", fix, OTHER_FORMAT)
    fix = "Set data.file_format to what it is."
    return Problem(str(path), "must be a Parquet file, but isn't one.", fix, OTHER_FORMAT)


def _unmarked_utf16(head: bytes) -> tuple[str, str] | None:
    """What to say of UTF-16 without its mark: every other byte of plain text is 0 there."""
    zeros = [byte == 0 for byte in head]
    order = {(False, True): "LE", (True, False): "BE"}.get((any(zeros[::2]), any(zeros[1::2])))
    return ("UTF-16 text", f"Convert it: iconv -f UTF-16{order} -t UTF-8.") if order else None
