"""The largest model that a card trains, by method: `task=plan task.matrix=true`. Loads nothing."""

from typing import Any

from omegaconf import DictConfig

from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from ftlab.memory.matrix import BETWEEN, largest_models
from ftlab.memory.shape import shape_of
from ftlab.stage.job import job_of
from ftlab.stage.shape import row_tokens, usual_shapes

MATRIX_METHODS = ("full", "freeze", "lora", "qlora")
"""The lines of the table of cards."""


def matrix_task(cfg: DictConfig) -> dict[str, dict[str, dict[str, Any] | None]]:
    """The largest model by method and card, of those that come with ftlab and two sizes between them.

    Args:
        cfg: The composed configuration; its model, method and device don't matter.

    Returns:
        See `ftlab.memory.matrix.largest_models`.
    """
    models = usual_shapes() | {name: shape_of(keys) for name, keys in BETWEEN.items()}
    start = models["llama3-8b"]
    jobs = {method: job_of(_with_method(method), start, "cuda") for method in MATRIX_METHODS}
    row = row_tokens(cfg)
    return largest_models(jobs, models, longest_row=row, step_tokens=row * cfg.training.batch_rows)


def _with_method(method: str) -> DictConfig:
    """The shipped configuration with a method, in a composition of its own."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
        return compose("config", overrides=[f"method={method}", "model=llama3-8b"])
