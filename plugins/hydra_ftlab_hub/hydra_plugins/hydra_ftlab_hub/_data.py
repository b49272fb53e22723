"""A data set's node, made of its name alone: its rows are read when the run starts."""

from pathlib import Path
from typing import Any

from hydra_plugins.hydra_ftlab_hub._choice import hub_id, is_data_file, is_path, name_of, plain


def claims(choice: str) -> bool:
    """Whether a choice of the group `data` is a path, a glob or a hub id."""
    return is_path(choice) or "/" in choice or is_data_file(choice)


def read(choice: str) -> dict[str, Any]:
    """Returns the node of a file, a folder, a glob, or a data set of the hub.

    Args:
        choice: As typed; what exists here wins over the hub.

    Returns:
        The node with its defaults list.

    Raises:
        ChoiceError: It isn't plain text.
    """
    place = Path(plain(choice, "data")).expanduser()
    found = None if is_path(choice) or is_data_file(choice) or place.exists() else hub_id(choice)
    if found is None or found[1]:
        name = name_of(place.stem if is_data_file(choice) else choice)
        return {
            "defaults": ["/data/alpaca@_here_", "_self_"],
            "name": "rows" if name in ("", "model") else name,
            "path": choice,
            "format": "auto",
        }
    return {"defaults": ["/data/hub@_here_", "_self_"], "name": name_of(found[0]), "hub_id": found[0]}
