"""Loads the base model of a run and makes it trainable."""

import logging
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn
from transformers import PreTrainedModel

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.recompute import Recompute, set_recompute
from ftlab.memory.table import plan_data
from ftlab.method.method import trainable_parameters
from ftlab.model.load import load_model
from ftlab.problem import RunEnded
from ftlab.quantization.config import quantization_config
from ftlab.report.card import fingerprint
from ftlab.stage.inputs import Inputs
from ftlab.stage.record import Record
from ftlab.stage.source import model_source, plain
from ftlab.training.memory import is_out_of_memory

log = logging.getLogger(__name__)


class ModelTooLargeError(RunEnded):
    """Memory ended while the base was loaded."""


def load_base(cfg: DictConfig, device: torch.device) -> PreTrainedModel:
    """Loads the base, quantised if asked, onto its device.

    Args:
        cfg: The composed configuration.
        device: Where to.

    Returns:
        The model in evaluation mode.

    Raises:
        ModelTooLargeError: It doesn't fit, although the plan said so or there was none.
    """
    try:
        return _load(cfg, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ModelTooLargeError(
            f"Out of memory while the base was loaded: {str(error).splitlines()[0]} Free the device (nvidia-smi shows "
            "who holds it), load fewer bits (quantization=nf4, or method=qlora), or choose a smaller model; "
            "`task=plan` shows what fits."
        ) from error


def _load(cfg: DictConfig, device: torch.device) -> PreTrainedModel:
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


def apply_method(cfg: DictConfig, inputs: Inputs, base: PreTrainedModel, record: Record) -> nn.Module:
    """Makes the base trainable as the method says, and fast where its parts are known, and records both.

    Args:
        cfg: The composed configuration.
        inputs: What the run starts from.
        base: The loaded base; changed in place.
        record: The run's record.

    Returns:
        The model to train.
    """
    weights_hash = base_fingerprint(Path(str(base.config._name_or_path)))
    torch.manual_seed(cfg.seed)  # the adapter's first values
    model = inputs.method.apply(base)
    trained, total = trainable_parameters(model)
    held = 0 if inputs.plan is None else inputs.plan.held_bytes
    notes = accelerate(cfg, model, held) + recompute(inputs, model)
    record.card.write(
        model={
            "base": cfg.model.path or cfg.model.name,
            "weights": cfg.model.weights,
            "base_fingerprint": weights_hash,
            "parameters": total,
            "trainable_parameters": trained,
            "kernels": notes,
        },
        memory={"plan": None if inputs.plan is None else plan_data(inputs.plan)},
    )
    return model


def accelerate(cfg: DictConfig, model: nn.Module, held_bytes: int = 0) -> list[str]:
    """Gives the model its fused passes; `ftlab.kernels.accelerate.restore` takes them back.

    Args:
        cfg: The composed configuration; `kernels` chooses.
        model: What the method made.
        held_bytes: Memory that may hold weights unpacked.

    Returns:
        What runs fused, what runs the plain way and why; these lines are logged, too.
    """
    chosen = cfg.kernels
    if not (chosen.attention or chosen.mlp or chosen.norms):
        return ["kernels: plain path: kernels=none"]
    notes = accelerate_model(
        model,
        attention=chosen.attention,
        mlp=chosen.mlp,
        norms=chosen.norms,
        arithmetic=chosen.arithmetic,
        held_bytes=held_bytes,
    )
    for note in notes:
        log.info(note)
    return notes


def recompute(inputs: Inputs, model: nn.Module) -> list[str]:
    """Makes the model keep as little as the plan says.

    Args:
        inputs: What the run starts from.
        model: What the method made, with its fused passes.

    Returns:
        What could not be followed; these lines are logged, too.
    """
    if inputs.plan is None or inputs.plan.recompute == "none":
        return []
    level = inputs.plan.load.level
    try:
        notes = set_recompute(model, Recompute(level.norms, level.mlp, level.layers, level.offload))
    except ValueError as error:
        notes = [f"recompute: nothing is run again: {error}"]
    for note in notes:
        log.info(note)
    return notes


def base_fingerprint(folder: Path) -> str | None:
    """Returns a hash that tells the base's weight files from others; None where they aren't in a folder."""
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return fingerprint(files) if files else None
