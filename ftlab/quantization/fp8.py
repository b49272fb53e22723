"""Base weights in FP8 (e4m3, arXiv 2209.05433) with one scale an output, rounded by ftlab itself while they load.

Comes in: a model's linear layers on the meta device, then their weights one after the other. Goes out: `Fp8Linear`
layers; the head and everything that isn't linear stay as they are. What must not be here: products
(`ftlab.kernels.fp8`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.core_model_loading import ConversionOps
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from ftlab.kernels.fp8 import Fp8Linear, quantise_rows

METHOD = "ftlab_fp8"
"""The name under which Transformers knows this quantization."""


@register_quantization_config(METHOD)
class Fp8Config(QuantizationConfigMixin):
    """Asks Transformers for it. There is nothing to choose."""

    def __init__(self) -> None:
        self.quant_method = METHOD  # type: ignore[assignment]  # Transformers' own names are an enum


class _RoundRows(ConversionOps):
    """A weight in 16 or 32 bits → its FP8 bytes and its lines' scales, on the device that it was loaded to."""

    def convert(self, input_dict: dict[str, Any], **kwargs: Any) -> dict[str, Tensor]:
        rounded: dict[str, Tensor] = {}
        for name, value in input_dict.items():
            weight = value[0] if isinstance(value, list) else value
            weight8, scales = quantise_rows(weight)
            rounded[name] = nn.Parameter(weight8.view(torch.uint8), requires_grad=False)
            rounded[f"{name.rpartition('.')[0]}.scales"] = scales
        return rounded


@register_quantizer(METHOD)
class _Fp8Quantizer(HfQuantizer):
    """Tells Transformers' loader which weights to round, and how."""

    requires_calibration = False

    @property
    def quantized_element_size(self) -> float:
        return 1.0

    def param_element_size(self, model: Any, param_name: str, param: Tensor) -> float:
        is_rounded = self.param_needs_quantization(model, param_name)
        return self.quantized_element_size if is_rounded else param.element_size()

    @property
    def is_trainable(self) -> bool:
        return True

    def is_serializable(self) -> bool:
        return False  # only adapters are saved, for the base as published

    def param_needs_quantization(self, model: Any, param_name: str, **kwargs: Any) -> bool:
        path, _, name = param_name.rpartition(".")
        return name == "weight" and isinstance(model.get_submodule(path), Fp8Linear)

    def get_quantize_ops(self) -> ConversionOps:
        return _RoundRows()

    def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> None:
        head = model.get_output_embeddings()
        linears = [(name, module) for name, module in model.named_modules() if type(module) is nn.Linear]
        for name, linear in linears:
            if linear is not head:
                layer = Fp8Linear(linear)
                # Until it is loaded, in the dtype that it is read in: Transformers 5.17 casts what it reads to the
                # placeholder's, and weights cast to bytes would all be zero.
                layer.weight = nn.Parameter(linear.weight.data, requires_grad=False)
                model.set_submodule(name, layer)
