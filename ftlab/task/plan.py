"""Says how much memory a run would take, and what to change where it doesn't fit. Loads nothing."""

import json
import sys

from omegaconf import DictConfig
from rich.console import Console

from ftlab.memory.matrix import CARDS, LEGEND, cell_text
from ftlab.memory.table import matrix_text, plan_data, plan_text
from ftlab.stage.matrix import matrix_task
from ftlab.stage.plan import plan_task
from ftlab.stage.shape import row_tokens


def run(cfg: DictConfig) -> None:
    """Prints the plan, or the table of cards.

    Args:
        cfg: The composed configuration.

    Raises:
        InputError: The model's shape or `trainer.memory` can't be read.
    """
    if cfg.task.matrix:
        table = matrix_task(cfg)
        cells = {method: {card: cell_text(cell) for card, cell in row.items()} for method, row in table.items()}
        title = f"The largest model that trains on rows of up to {row_tokens(cfg):,} tokens"
        _print(cfg, table, matrix_text(cells, CARDS, title, LEGEND))
        return
    plan, changes = plan_task(cfg)
    title = f"{cfg.model.name} · {cfg.method.name} · {cfg.optimizer._target_.rpartition('.')[2]}"
    _print(cfg, plan_data(plan, changes), plan_text(plan, changes, title))


def _print(cfg: DictConfig, data: object, text: object) -> None:
    if cfg.task.format == "json":
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        Console().print(text)
