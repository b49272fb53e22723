"""LoftQ (arXiv 2310.08659): a LoRA that starts at what 4-bit rounding lost, s·B₀A₀ ≈ W - dequantise(W₄).

PEFT's own LoftQ replaces the base by rounded 16-bit weights, needs SciPy, and its adapter is wrong on the base as
published. Here the base is the ordinary 4-bit one, which is not touched, and the adapter fits any copy of it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
from huggingface_hub import snapshot_download
from peft import LoraConfig, PeftModel
from peft.tuners.lora import Linear4bit
from safetensors import safe_open
from torch import Tensor


@dataclass
class LoftqConfig(LoraConfig):
    """A `LoraConfig` whose adapter starts at the rounding error; it is saved as a plain `LoraConfig`."""


@torch.no_grad()
def init_loftq(model: PeftModel) -> None:
    """Starts each LoRA of a 4-bit layer at the best rank-r approximation of the layer's rounding error.

    With U S Vᵀ = W - dequantise(W₄): B = √(S/s) U and A = √(S/s) Vᵀ, cut at rank r, where s is LoRA's scale. One
    step of LoftQ's alternation: the 4-bit weights are the published ones, so the adapter fits any copy of them.

    Args:
        model: A PEFT model on a 4-bit base that was read from a folder or the hub.
    """
    originals = _Checkpoint(model.get_base_model().name_or_path)
    for name, layer in model.base_model.model.named_modules():
        if not isinstance(layer, Linear4bit):
            continue
        weight = layer.get_base_layer().weight
        rounded = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state).float()
        lost = originals.read(f"{name}.weight").to(rounded.device, torch.float32) - rounded
        left, sizes, right = torch.linalg.svd(lost, full_matrices=False)
        for adapter, rank in layer.r.items():
            roots = (sizes[:rank] / layer.scaling[adapter]).sqrt()
            lora_a, lora_b = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
            lora_a.copy_(roots[:, None] * right[:rank])
            lora_b.copy_(left[:, :rank] * roots)


class _Checkpoint:
    """The safetensors files of a model, one tensor at a time."""

    def __init__(self, name_or_path: str) -> None:
        folder = Path(name_or_path)
        self._folder = folder if folder.is_dir() else Path(snapshot_download(name_or_path, local_files_only=True))
        self._files = dict(self._index())

    def read(self, name: str) -> Tensor:
        with safe_open(self._files[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor

    def _index(self) -> Iterator[tuple[str, Path]]:
        index = self._folder / "model.safetensors.index.json"
        if index.is_file():
            names: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            yield from ((name, self._folder / file) for name, file in names.items())
            return
        path = self._folder / "model.safetensors"
        with safe_open(path, framework="pt") as file:
            yield from ((name, path) for name in file.keys())  # noqa: SIM118 (a safetensors file has no __iter__)
