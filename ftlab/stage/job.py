"""Reads from the configuration what the memory plan needs of it: `ftlab.memory.job.Job`. Imports nothing heavy."""

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.memory.job import OPTIMIZERS, Adapter, Device, Fused, Job, Optimizer
from ftlab.memory.shape import Shape
from ftlab.problem import InputError, Problem

_USUAL_TARGETS = ("q_proj", "v_proj", "qkv_proj")
"""What PEFT takes where `target_modules` is null."""


def job_of(cfg: DictConfig, shape: Shape, device: Device) -> Job:
    """Describes a run for the plan.

    Args:
        cfg: The composed configuration.
        shape: The model's.
        device: What it will run on.

    Raises:
        InputError: The adapter would lie on nothing.
    """
    notes: list[str] = []
    wide_base = cfg.model.dtype == "float32" or (cfg.model.dtype == "auto" and device == "cpu")
    base_bytes = 4 if wide_base else 2
    autocast = device == "cuda" and cfg.trainer.precision != "float32"
    method = {"FullMethod": "full", "FreezeMethod": "freeze"}.get(cfg.method._target_.rpartition(".")[2], "adapter")
    own = {"float32": 4, "bfloat16": 2, "model": base_bytes}[cfg.method.get("adapter_dtype", "model")]
    wide_stream = wide_base or (method != "adapter" and own == 4)
    adapter = _adapter(cfg, shape, notes) if method == "adapter" else None
    if not shape.is_known:
        notes.append(f"{shape.architecture} is not known: its layers are taken for a Llama's.")
    if method == "freeze" and cfg.method.patterns:
        notes.append("What method.patterns adds is not counted.")
    trained_layers = {"full": shape.layers, "freeze": min(cfg.method.get("last_layers", 0), shape.layers)}.get(
        method, 0
    )
    return Job(
        shape=shape,
        kind=cfg.quantization.kind,
        double_quantization=cfg.quantization.double_quantization,
        base_bytes=base_bytes,
        trained_bytes=own,
        activation_bytes=2 if autocast or not wide_base else 4,
        stream_bytes=4 if wide_stream else 2,
        method=method,  # type: ignore[arg-type]
        optimizer=_optimizer(cfg.optimizer, notes),
        device=device,
        trained_layers=trained_layers,
        adapter=adapter,
        kernels=Fused(cfg.kernels.attention, cfg.kernels.mlp, cfg.kernels.norms),
        wants_fp8=cfg.kernels.arithmetic == "fp8",
        notes=tuple(notes),
    )


def _optimizer(node: DictConfig, notes: list[str]) -> Optimizer:
    name = node._target_.rpartition(".")[2]
    if name == "SGD":
        return Optimizer(name, 1 if node.get("momentum") else 0, None)
    if name not in OPTIMIZERS:
        notes.append(f"{name} is not known: two 32-bit numbers are counted for each trained weight.")
    return OPTIMIZERS.get(name, Optimizer(name, 2, 4))


def _adapter(cfg: DictConfig, shape: Shape, notes: list[str]) -> Adapter:
    node: Mapping[str, Any] = OmegaConf.to_container(cfg.method, resolve=True)  # type: ignore[assignment]
    kind = node["_target_"].rpartition(".")[2]
    chosen = node.get("layers_to_transform")
    layers = shape.layers if chosen is None else 1 if isinstance(chosen, int) else len(chosen)
    targets = _targets(node.get("target_modules"), shape)
    if not targets and not node.get("num_virtual_tokens"):
        named = ", ".join(sorted(name.rpartition(".")[2] for name in shape.linears))
        what = f"must name matrices of the model's layers, but {node.get('target_modules')} matches none."
        raise InputError([Problem("method.target_modules", what, f"There are {named}; all-linear takes all.")])
    if kind in ("LoraConfig", "LoftqConfig"):
        plain = not (node.get("use_dora") or node.get("lora_bias") or node.get("modules_to_save"))
        if not plain or node.get("rank_pattern"):
            notes.append("The variant of LoRA is estimated as plain LoRA on the plain path.")
        magnitudes = layers * sum(shape.linears[name][0] for name in targets) if node.get("use_dora") else 0
        ranks = dict.fromkeys(targets, int(node.get("r", 8)))
        return Adapter(
            ranks,
            layers,
            float(node.get("lora_dropout") or 0),
            plain,
            on_exact=str(node.get("init_lora_weights", "")).startswith("pissa"),
            other_parameters=magnitudes,
        )
    notes.append(f"{kind} is estimated: its adapter is small, its activations are those of the plain path.")
    if kind == "AdaLoraConfig":
        return Adapter(dict.fromkeys(targets, int(node.get("init_r", 12))), layers, plain=False, has_r=False)
    if kind in ("PromptTuningConfig", "PrefixTuningConfig"):
        width = 2 * shape.key * shape.layers if kind.startswith("Prefix") else shape.hidden
        return Adapter(
            {}, layers, plain=False, has_r=False, other_parameters=int(node.get("num_virtual_tokens") or 0) * width
        )
    return Adapter(dict.fromkeys(targets, 1), layers, plain=False, has_r=False)


def _targets(chosen: Any, shape: Shape) -> list[str]:
    """The matrices of a layer that PEFT would put an adapter on."""
    if chosen == "all-linear":
        return list(shape.linears)
    if isinstance(chosen, str):
        return [name for name in shape.linears if re.fullmatch(chosen, f"model.layers.0.{name}")]
    wanted = _USUAL_TARGETS if chosen is None else chosen
    return [name for name in shape.linears if any(name == w or name.endswith(f".{w}") for w in wanted)]
