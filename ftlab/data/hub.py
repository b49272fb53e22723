"""Reads a data set of the Hugging Face hub, or a folder in its layout, into records, through `datasets`.

In: a data set's id, or a folder. Out: the same `Record`s as files give. Rows come in a stream, so that no second copy
beside our own is kept on the disk; without a network (`offline=true`, `HF_HUB_OFFLINE=1`) what `datasets` has in its
own cache serves.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ftlab.data.faults import Faults
from ftlab.data.records import Record
from ftlab.problem import Problem

UNREACHABLE = "FT606"


def read_hub(key: str, hub_id: str, config: str | None, split: str | None, faults: Faults) -> Iterator[Record]:
    """Reads one split of a hub data set.

    Args:
        key: The config key that names it, for messages.
        hub_id: Its id, such as `org/name`, or a folder.
        config: Its configuration, where it has several.
        split: Its split; None is `train`.
        faults: Takes what is wrong.

    Yields:
        The split's records, in order.
    """
    import datasets  # here, since it takes two seconds that files needn't pay
    import pyarrow  # type: ignore[import-untyped]

    split = split or "train"
    is_stream = Path(hub_id).is_dir() or not datasets.config.HF_HUB_OFFLINE
    try:
        rows = datasets.load_dataset(hub_id, config, split=split, streaming=is_stream)
        for number, row in enumerate(rows, 1):
            yield Record(f"{hub_id}/{split}:{number}", dict(row))
    except (OSError, ValueError, RuntimeError, pyarrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        what = f"must be a data set that can be reached, but '{hub_id}' can't be loaded: {_first_line(error)}"
        fix = "Check the id, data.hub_config, data.hub_split and your access to it."
        faults.add(Problem(key, what, fix, UNREACHABLE))


def hub_version(hub_id: str, refs: Path | None) -> str | None:
    """Returns what tells a hub data set's content from another version's.

    Args:
        hub_id: Its id, or a folder.
        refs: Where the version that was last seen is noted, for times without a network; None notes none.

    Returns:
        For a folder the hash of its files; else the commit, the last one seen where the hub can't be asked; None where
        none is known.
    """
    folder = Path(hub_id)
    if folder.is_dir():
        digest = hashlib.sha256()
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(folder)}\n{file_sha256(file)}\n".encode())
        return digest.hexdigest()
    ref = refs / f"{hashlib.sha256(hub_id.encode()).hexdigest()[:40]}.ref" if refs else None
    try:
        import huggingface_hub

        commit: str | None = huggingface_hub.HfApi().dataset_info(hub_id, timeout=10).sha
    except (OSError, ValueError):  # no network, or no such data set: reading it will say so
        return ref.read_text() if ref and ref.is_file() else None
    if ref and commit:
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    return commit


def file_sha256(file: Path) -> str:
    """Hashes a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
