"""Where ftlab looks for YAML files: the user's own folder, then its own, then installed packs.

Hydra imports this module at the start of every Hydra application in the environment, and a plugin that raises would
break them all. So it imports nothing heavy, and it does nothing unless the application is ftlab.
"""

import os
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hydra_plugins.hydra_ftlab_searchpath._application import say_once, shipped_folder

ENTRY_POINTS = "ftlab.conf"
"""The entry-point group in which a package names those of its packages that hold YAML files."""

_NAMES_OUR_GROUPS = re.compile(r"^\s*-\s*(override\s+)?/?(method|quantization)\b", re.MULTILINE)


class FtlabSearchPath(SearchPathPlugin):
    """Puts `./conf` before ftlab's own folder, and packs behind it."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds folders and packages, if the application is ftlab.

        Args:
            search_path: Hydra's, with the application's own folder as its `main` element.
        """
        shipped = shipped_folder(search_path)
        if shipped is None:
            return
        own = _overlay(shipped)
        if own is not None:
            search_path.prepend("ftlab-overlay", f"file://{own}", SearchPathQuery(provider="main"))
        for package in sorted(set(_packs()), reverse=True):
            search_path.append("ftlab-pack", f"pkg://{package}", SearchPathQuery(provider="main"))


def _packs() -> Iterator[str]:
    """Yields the packages that installed packs name. One that can't be imported is left out, and that is said.

    Hydra imports them to read their files: an error there would end every command, and a package that isn't there
    would be passed over in silence.
    """
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            import_module(entry.module)
        except Exception as error:  # of code that isn't ours
            reason = (str(error).splitlines() or [""])[0]
            say_once(
                f"The installed pack '{entry.name}' is left out: {entry.module} can't be imported "
                f"({type(error).__name__}: {reason}). Reinstall it, or uninstall it."
            )
        else:
            yield entry.module


def _overlay(shipped: Path) -> Path | None:
    """Returns `./conf` if it is there and meant for ftlab.

    `conf` is what many Hydra applications call their folder. One with a `config.yaml` that knows none of ftlab's
    groups belongs to another application, and would take the place of ftlab's own: it is left out, and that is said.
    """
    try:
        own = Path(os.getcwd()) / "conf"
        if not own.is_dir() or own.resolve() == shipped:
            return None
        primary = own / "config.yaml"
        if primary.is_file() and not _NAMES_OUR_GROUPS.search(primary.read_text(encoding="utf-8", errors="replace")):
            say_once(f"{own} belongs to another application (see its config.yaml): ftlab leaves it out.")
            return None
    except OSError:  # the working directory is gone, or may not be read
        return None
    return own
