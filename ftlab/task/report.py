"""Draws the page of a run anew, or compares many runs, from what their folders hold. Loads nothing."""

import sys
from glob import glob
from pathlib import Path

from omegaconf import DictConfig

from ftlab.problem import InputError, Problem
from ftlab.report.run import shown, write_report
from ftlab.report.sweep.group import swept_keys, unknown_keys
from ftlab.report.sweep.read import Sweep, join, read_sweep
from ftlab.report.sweep.write import write_comparison


def run(cfg: DictConfig) -> None:
    """Writes `report.html` of a run, or the comparison of many, and says where it is.

    Args:
        cfg: The composed configuration: `run` names a folder, or `runs` names many.

    Raises:
        InputError: There is no run that can be read, or the files can't be written.
    """
    if (cfg.run is None) == (cfg.runs is None):
        both = "neither is" if cfg.run is None else "both are"
        fix = "Give run=<run folder> for the page of one run, or runs=<folder of a sweep> to compare many."
        raise InputError([Problem("run", f"must be given, or `runs` in its place, but {both}.", fix)])
    if cfg.run is not None:
        _draw(str(cfg.run))
        return
    given = [cfg.runs] if isinstance(cfg.runs, str) else list(cfg.runs)
    sweep = _read([str(name) for name in given])
    by = None if cfg.report.by is None else list(cfg.report.by)
    if unknown := unknown_keys(sweep.jobs, by or ()):
        swept = ", ".join(swept_keys(sweep.jobs)) or "none"
        what = f"must name keys of the runs, but none has {', '.join(unknown)}."
        raise InputError([Problem("report.by", what, f"The runs differ in: {swept}.")])
    try:
        write_comparison(sweep, by=by, price_per_hour=cfg.report.price_per_hour)
    except OSError as error:
        raise InputError([Problem("runs", f"must be a folder that can be written, but: {error}.")]) from error


def _draw(name: str) -> None:
    """The page of one run."""
    fix = "Give a folder that `python -m ftlab` wrote, such as run=runs/2026-01-31/12-00-00-train-tiny-qlora."
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise InputError([Problem("run", f"must be a folder, but '{name}' is none.", fix)])
    try:
        page = write_report(folder)
    except (ValueError, OSError) as error:
        raise InputError([Problem("run", f"must be a run that can be drawn, but: {error}")]) from error
    sys.stdout.write(f"{shown(page)}\n")


def _read(names: list[str]) -> Sweep:
    """The runs of all folders; every folder that is wrong is told at once."""
    fix = "Give what `python -m ftlab -m ...` wrote, such as runs=multirun/2026-01-31/12-00-00, or runs='[a,b]'."
    problems, folders = [], []
    for name in names:
        found = sorted(Path(path) for path in glob(str(Path(name).expanduser())) if Path(path).is_dir())
        if not found:
            problems.append(Problem("runs", f"must be a folder, but '{name}' is none.", fix))
        folders += found
    sweeps = []
    for folder in folders:
        try:
            sweeps.append(read_sweep(folder))
        except (ValueError, OSError) as error:
            problems.append(Problem("runs", f"must hold runs that can be read, but: {error}", fix))
    if problems:
        raise InputError(problems)
    return join(sweeps)
