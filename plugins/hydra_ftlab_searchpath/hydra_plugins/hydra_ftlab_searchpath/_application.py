"""Whether the application whose search path Hydra is making is ftlab, and what is said while it is made."""

import sys
from importlib.util import find_spec
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath

_said: set[str] = set()


def say_once(line: str) -> None:
    """Writes a line to standard error. Hydra makes a search path several times in a process: later times are silent.

    Args:
        line: What is to be said.
    """
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"{line}\n")


def shipped_folder(search_path: ConfigSearchPath) -> Path | None:
    """Returns ftlab's own folder of YAML files where the application is ftlab, and None where it is another.

    Args:
        search_path: Hydra's, with the application's own folder as its `main` element.
    """
    main = [element for element in search_path.get_path() if element.provider == "main"]
    shipped = _folder(main[0].path) if main else None
    return shipped if shipped in _ours() else None


def _ours() -> tuple[Path, ...]:
    """Returns where ftlab's YAML files may lie, in a wheel and in a checkout; this does not import ftlab."""
    spec = find_spec("ftlab")
    if spec is None or spec.origin is None:
        return ()
    package = Path(spec.origin).resolve().parent
    return package / "conf", package.parent / "conf"


def _folder(path: str | None) -> Path | None:
    """Returns the folder that an element of the search path stands for; None for packages."""
    plain = (path or "").removeprefix("file://")
    return None if not plain or "://" in plain else Path(plain).resolve()
