"""Checks rows, masks and tokens, and says what to mend. Loads no weights; each line is a stage."""

from omegaconf import DictConfig
from rich.console import Console

from ftlab.problem import Refused
from ftlab.stage.surroundings import settle


def run(cfg: DictConfig) -> None:
    """Prints the report and writes its files.

    Args:
        cfg: The composed configuration.

    Raises:
        InputError: Something is wrong that is no matter of rows.
        Refused: The verdict is one that shall be seen in the exit code.
    """
    settle(offline=cfg.offline)

    from ftlab.check.terminal import print_report
    from ftlab.stage.check import check

    checked = check(cfg)
    print_report(Console(), checked.report, title=f"{cfg.data.name} · {cfg.model.name}", view=checked.view)
    if checked.report.exit_code:
        raise Refused(checked.report.exit_code)
