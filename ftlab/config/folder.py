"""Where the shipped YAML files lie."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def conf_dir(package: Path = _PACKAGE) -> Path:
    """Returns the folder of the shipped configuration.

    Args:
        package: The folder of the ftlab package.

    Returns:
        `<package>/conf` as a wheel has it, or else the checkout's `conf` beside the package.
    """
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


CONF_DIR = conf_dir()
