"""Takes a choice apart: is it a path or an id of the hub, and what is a run called that uses it?"""

import glob
import re
from pathlib import Path

from hydra_plugins.hydra_ftlab_hub._error import ChoiceError

_HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]*\w)(@(?P<revision>[\w./-]+))?")
_CACHED = "models--"
"""How the folders of models begin in the hub's cache."""
_SAYS_NOTHING = ("model", "merged", "final", "checkpoint")


def is_path(choice: str) -> bool:
    """Whether a choice can't be anything but a path, wherever it leads: `/a`, `./a`, `../a`, `~/a`, `.`, `..`."""
    return choice in (".", "..", "~") or choice.startswith(("/", "./", "../", "~/"))


def hub_id(choice: str) -> tuple[str, str | None] | None:
    """Returns the id and the revision of `org/name` or `org/name@revision`; None for anything else."""
    found = _HUB_ID.fullmatch(choice.rstrip("/"))
    return (found["id"], found["revision"]) if found else None


def plain(text: str, where: str) -> str:
    """Returns a text as it is.

    Raises:
        ChoiceError: OmegaConf would compute something in its place.
    """
    if "${" in text or text == "???":
        what = f"must be plain text, but is {text!r}, which OmegaConf would resolve."
        raise ChoiceError(where, what, "Nothing is computed here: rename it, or change it in a copy.")
    return text


def name_of(path: str) -> str:
    """Returns what a run is called after a path or an id: the last part that says something, fit for a folder."""
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".", "..", "~")] or ["model"]
    if len(parts) > 2 and parts[-2] == "snapshots" and parts[-3].startswith(_CACHED):
        parts = parts[-3].removeprefix(_CACHED).split("--", 1)
    last = "-".join(parts[-2:]) if parts[-1] in _SAYS_NOTHING else parts[-1]
    return re.sub(r"[^\w.-]+", "-", last).strip("-.") or "model"


def is_data_file(choice: str) -> bool:
    """Whether a choice names a file of rows by its ending, with or without a folder: `rows.jsonl`, `rows/*.csv`."""
    from ftlab.data.files import ENDINGS

    return Path(choice).suffix.lower() in ENDINGS


def rooted(override: str, folder: Path) -> str:
    """Returns an override that was typed in another folder as it is typed here.

    Args:
        override: Such as `model=./folder`; any other stays as it is.
        folder: Where it was typed.

    Returns:
        `model='/where/folder'` where a relative path of a choice led to something there; else the same.
    """
    group, _, typed = override.partition("=")
    choice = typed.strip("'\"").rstrip("/")
    is_choice = group in ("model", "data") and (is_path(choice) or "/" in choice or is_data_file(choice))
    if not is_choice or choice.startswith(("/", "~")) or not any(glob.iglob(choice, root_dir=folder)):
        return override
    place = str((folder / choice).absolute()).replace("'", "\\'")
    return f"{group}='{place}'"
