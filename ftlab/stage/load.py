"""Loads the base model of a run."""

import torch
from omegaconf import DictConfig
from transformers import PreTrainedModel

from ftlab.model.load import load_model
from ftlab.quantization.bitsandbytes import quantization_config
from ftlab.stage.prepare import model_source, plain


def load_base(cfg: DictConfig, device: torch.device) -> PreTrainedModel:
    """Loads the base, quantised if asked, onto its device.

    Args:
        cfg: The composed configuration.
        device: Where to.

    Returns:
        The model in evaluation mode.
    """
    return load_model(
        **model_source(cfg),
        device=device,
        weights=cfg.model.weights,
        shape=plain(cfg.model.shape),
        dtype=cfg.model.dtype,
        quantization_config=quantization_config(
            cfg.quantization.kind,
            double_quantization=cfg.quantization.double_quantization,
            compute_dtype=cfg.quantization.compute_dtype,
            device=device,
        ),
        seed=cfg.seed,
    )
