"""Whether the packages are there that loggers of the configuration write with: they come with extras of ftlab."""

import importlib.util
from collections.abc import Mapping

from ftlab.problem import Problem

PACKAGES = {"TrackioRun": "trackio", "TensorBoardRun": "tensorboard", "TensorBoardLogger": "tensorboard"}
"""What a logger's class needs beside ftlab's own dependencies; the extra bears the same name."""


def check_installed(targets: Mapping[str, str]) -> list[Problem]:
    """Says which loggers can't write.

    Args:
        targets: The class of each logger, by its name in the configuration.
    """
    needed = {name: PACKAGES.get(target.rpartition(".")[2]) for name, target in targets.items()}
    return [
        Problem(
            f"logger.{name}",
            f"needs the package {package}, which isn't installed.",
            f"Install it: pip install 'ftlab[{package}]'. Or choose another logger: logger=wandb, logger=csv.",
        )
        for name, package in needed.items()
        if package is not None and importlib.util.find_spec(package) is None
    ]
