"""Keeps prepared data between runs: folders named after a hash of everything that their content depends on.

An entry is built in a folder of its own and renamed when it is whole, so none is ever seen half-written, and jobs that
build the same at once don't meet: the first to end gives its entry, the others take that one. An entry that no run
has used for `KEPT_DAYS` is deleted when a new one is built. Without a cache folder, entries are temporary.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

KEPT_DAYS = 30
"""Days for which an entry that isn't used is kept."""

_BUILDING = ".building-"
_ABANDONED_DAYS = 1
_DAY_S = 86_400
_PACKAGES = ("transformers", "tokenizers", "jinja2", "pyarrow", "datasets")
"""The packages that can change what is read or encoded."""


class Entry:
    """A folder with prepared data.

    Attributes:
        folder: Where the files are. A temporary one is deleted with the last reference to its `Entry`.
    """

    def __init__(self, folder: Path, *, is_temporary: bool) -> None:
        self.folder = folder
        if is_temporary:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


class Cache:
    """Finds entries, or has them built.

    Args:
        folder: Where entries are kept; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def entry(self, key: str | None, build: Callable[[Path], bool]) -> Entry:
        """Returns the entry of a key, built if it isn't there.

        Args:
            key: Names the content (`key`); None for content that can't be named: it is temporary.
            build: Fills an empty folder; returns whether the content may be kept.

        Returns:
            The entry, whole.

        Raises:
            Exception: What `build` raises; nothing is kept then.
        """
        place = self._folder / key if self._folder and key else None
        if place is not None and place.is_dir():
            os.utime(place)
            return Entry(place, is_temporary=False)
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
        built = Path(tempfile.mkdtemp(prefix=_BUILDING if self._folder else "ftlab-", dir=self._folder))
        try:
            is_kept = build(built)
        except BaseException:
            shutil.rmtree(built, ignore_errors=True)
            raise
        if place is None or not is_kept:
            return Entry(built, is_temporary=True)
        _delete_old(place.parent)
        return Entry(_publish(built, place), is_temporary=False)


def unusable(folder: Path) -> str:
    """Returns why a cache folder can't be written; empty where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def key(**content: Any) -> str:
    """Hashes what an entry depends on, with the code and the packages that make it.

    Args:
        **content: Plain data.

    Returns:
        40 hexadecimal digits.
    """
    text = json.dumps([_code(), content], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@cache
def _code() -> list[str]:
    """The versions of the packages, and a hash of this room's code: another version never gets an old one's entries."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return [digest.hexdigest(), *(f"{name}={metadata.version(name)}" for name in _PACKAGES)]


def _publish(built: Path, place: Path) -> Path:
    """Makes a whole folder the entry, unless another process was first."""
    for file in built.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    try:
        built.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        shutil.rmtree(built, ignore_errors=True)
    return place


def _delete_old(folder: Path) -> None:
    now_s = time.time()
    for entry in folder.iterdir():
        days = _ABANDONED_DAYS if entry.name.startswith(_BUILDING) else KEPT_DAYS
        try:
            if now_s - entry.stat().st_mtime > days * _DAY_S:
                shutil.rmtree(entry, ignore_errors=True)
        except FileNotFoundError:  # another job's, just renamed or deleted
            continue
