"""Runs the tasks of lm-eval that the configuration names, the same for base and tuned."""

from omegaconf import DictConfig
from torch import nn

from ftlab.evaluation.harness import TaskScore, run_tasks
from ftlab.stage.inputs import Inputs
from ftlab.stage.score import unpacked


def run_harness(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> list[TaskScore]:
    """Runs the tasks; leaves the model's mode and its attention as training needs them.

    Args:
        cfg: The composed configuration.
        inputs: Tokenizer, precision and layout.
        model: The base, or the model as trained.

    Returns:
        One entry for each task and metric; none where no tasks are asked for.
    """
    if "tasks" not in cfg.evaluation:
        return []
    with unpacked(inputs, model):
        return run_tasks(
            model,
            inputs.tokenizer,
            list(cfg.evaluation.tasks),
            task_folder=cfg.evaluation.task_folder,
            few_shot=cfg.evaluation.few_shot,
            most_rows=cfg.evaluation.task_rows,
            batch_rows=cfg.evaluation.generate_batch_rows,
            chat_template=cfg.evaluation.chat_template,
            seed=cfg.seed,
        )
