"""Everything that is measured of one model: held-out rows, what it forgot, lm-eval's tasks."""

from dataclasses import replace

from omegaconf import DictConfig
from torch import nn

from ftlab.stage.forgetting import score_general
from ftlab.stage.harness import run_harness
from ftlab.stage.inputs import Inputs
from ftlab.stage.score import Score, score


def score_whole(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> Score:
    """Scores a model on all that the configuration asks for; leaves it as training needs it.

    Args:
        cfg: The composed configuration; `evaluation` says what and how much.
        inputs: Rows, tokenizer and device.
        model: The base, or the model as trained.

    Returns:
        What was measured.
    """
    general = score_general(cfg, inputs, model)
    return replace(score(cfg, inputs, model), general=general, tasks=run_harness(cfg, inputs, model))
