"""Draws the page of a run anew, from what its folder holds. Loads nothing."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from ftlab.problem import InputError, Problem
from ftlab.report.run import shown, write_report


def run(cfg: DictConfig) -> None:
    """Writes `report.html` and says where it is.

    Args:
        cfg: The composed configuration: `run` names the folder.

    Raises:
        InputError: There is no run that can be read, or the page can't be written.
    """
    fix = "Give a folder that `python -m ftlab` wrote, such as run=runs/2026-01-31/12-00-00-train-tiny-qlora."
    if cfg.run is None:
        raise InputError([Problem("run", "must name a run folder, but is null.", fix)])
    folder = Path(cfg.run).expanduser()
    if not folder.is_dir():
        raise InputError([Problem("run", f"must be a folder, but '{cfg.run}' is none.", fix)])
    try:
        page = write_report(folder)
    except (ValueError, OSError) as error:
        raise InputError([Problem("run", f"must be a run that can be drawn, but: {error}")]) from error
    sys.stdout.write(f"{shown(page)}\n")
