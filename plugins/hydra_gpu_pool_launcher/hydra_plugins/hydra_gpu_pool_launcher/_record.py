"""`sweep.json`: what the sweep is made of and what became of each job, written anew with every change.

The file is replaced as a whole, so that whoever reads it, at any moment, reads valid JSON; after a power cut it is the
last state that was written.
"""

import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_gpu_pool_launcher._failure import OptionError
from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status, identity

FILE = "sweep.json"
LOCK = ".gpu_pool.lock"
VERSION = 1


class Record:
    """The record of one sweep.

    Args:
        sweep: The sweep's folder, absolute.
        goes_on: Whether to keep the jobs that an earlier launch recorded there.

    Attributes:
        path: The file.

    Raises:
        OptionError: There is a file that can't be read.
    """

    def __init__(self, sweep: Path, *, goes_on: bool) -> None:
        self._sweep = sweep
        self.path = sweep / FILE
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._written_s = 0.0
        self._entries: dict[int, dict[str, Any]] = {}
        if goes_on and self.path.is_file():
            document = _read(self.path)
            self._started = document["started"]
            self._entries = {entry["num"]: entry for entry in document["jobs"]}

    def write(self, jobs: Iterable[Job], slots: Sequence[str], status: str) -> None:
        """Writes the file.

        Args:
            jobs: Those of this launch; they take the places of earlier entries of the same number.
            slots: Names of the slots.
            status: `running`, `done`, `failed`, `stopped` or `interrupted`.
        """
        self._entries |= {job.num: job.to_dict(self._sweep) for job in jobs}
        ordered = [self._entries[num] for num in sorted(self._entries)]
        document = {
            "version": VERSION,
            "status": status,
            "started": self._started,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "slots": list(slots),
            "counts": dict(Counter(entry["status"] for entry in ordered)),
            "jobs": ordered,
        }
        new = self.path.with_suffix(".json.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        self._written_s = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the file was last written."""
        return time.monotonic() - self._written_s

    @property
    def numbers(self) -> set[int]:
        """The numbers of all recorded jobs."""
        return set(self._entries)

    def find(self, overrides: Sequence[str], config_sha256: str) -> dict[str, Any] | None:
        """Finds what is known of a job.

        Args:
            overrides: The job's.
            config_sha256: Hash of its configuration.

        Returns:
            The entry of the same job that is done; else its latest entry; None if it is unknown.
        """
        same = [entry for entry in self._entries.values() if identity(entry["overrides"]) == identity(overrides)]
        done = [entry for entry in same if entry["config_sha256"] == config_sha256 and self.is_done(entry)]
        found = done or same
        return found[-1] if found else None

    def is_done(self, entry: dict[str, Any]) -> bool:
        """Returns whether an entry tells of a job that is done, and whose folder is there."""
        folder = entry["folder"]
        return entry["status"] == Status.DONE and folder is not None and (self._sweep / folder).is_dir()


@contextlib.contextmanager
def alone(sweep: Path) -> Iterator[None]:
    """Holds the sweep's folder, so that no second launcher runs the same jobs at the same time.

    Args:
        sweep: The folder.

    Raises:
        OptionError: Another launcher holds it.
    """
    with (sweep / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OptionError(
                f"`hydra.sweep.dir` must be a folder that no other sweep is running in, but {sweep} is in use. "
                "Wait for its end, or choose another folder."
            ) from None
        except OSError:  # a file system without locks
            pass
        yield


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise ValueError(f"it is of version {document['version']}, and this launcher reads version {VERSION}")
        needed = Job(0, ()).to_dict(path.parent).keys()
        for entry in document["jobs"]:
            if missing := needed - entry.keys():
                raise ValueError(f"a job's entry lacks {sorted(missing)}")
        _ = document["started"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"{path} must tell which jobs are done, but can't be read: {error}. Move it away to run all jobs again."
        ) from error
    return dict(document)
