"""Measures what a model can still do that it was not tuned for: the same for base and tuned.

In: the general texts and the probe (`general`), a model. Out: `ftlab.evaluation.forgetting.General`.
"""

from omegaconf import DictConfig
from torch import nn

from ftlab.evaluation.forgetting import General, probe
from ftlab.evaluation.perplexity import figure
from ftlab.stage.inputs import Inputs
from ftlab.stage.score import answer, row_sums


def score_general(cfg: DictConfig, inputs: Inputs, model: nn.Module) -> General | None:
    """Scores a model on general texts, and asks it the probe; leaves its mode and attention as training needs them.

    Args:
        cfg: The composed configuration.
        inputs: The rows, read and encoded; tokenizer and device.
        model: The base, or the model as trained.

    Returns:
        What was measured; None where nothing is to be.
    """
    general = inputs.general
    if general is None:
        return None
    asked = None
    if general.prompts:
        most = min(general.longest_answer_tokens, cfg.evaluation.max_new_tokens)
        said = answer(cfg, inputs, model, general.prompts, max_new_tokens=most)
        asked = probe(said, general.expected, cfg.evaluation.general.match)
    sums = row_sums(cfg, inputs, model, general.texts) if general.texts else None
    return General(texts=None if sums is None else figure(sums.answer_nll, sums.answer_tokens), probe=asked)
