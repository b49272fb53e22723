"""Full fine-tuning: every weight is trained, and the whole model is saved."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from transformers import PreTrainedModel

from ftlab.data.row import Layout
from ftlab.method.method import AdapterDtype, cast_trainable


class FullMethod:
    """Trains every weight.

    Args:
        name: As the user chose it.
        adapter_dtype: Of the trained weights. `float32` under bfloat16 autocast keeps small updates that a
            bfloat16 weight rounds away; it takes twice the memory.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.
    """

    def __init__(
        self,
        *,
        name: str = "full",
        adapter_dtype: AdapterDtype = "model",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self.layout: Layout = "packed"
        self.lr_multipliers: Mapping[str, float] = dict(lr_multipliers or {})
        self._dtype: AdapterDtype = adapter_dtype

    def apply(self, model: nn.Module) -> nn.Module:
        """Marks the weights that are trained, in place.

        Args:
            model: The base, as loaded and not quantised.

        Returns:
            The same model.

        Raises:
            ValueError: The weights are quantised (`check_method` finds this before loading).
        """
        if getattr(model, "is_quantized", False):
            raise ValueError(f"`method={self.name}` must have quantization=none: quantised weights can't be trained.")
        self._select(model)
        cast_trainable(model, self._dtype)
        return model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Writes the whole model (config.json and safetensors), to be loaded with `from_pretrained`.

        Args:
            model: What `apply` returned.
            folder: Made if missing.
        """
        assert isinstance(model, PreTrainedModel)
        model.save_pretrained(folder)

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """None: nothing is added."""
        return None

    def after_step(self, model: nn.Module, step: int) -> None:
        """Does nothing."""

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """Empty: the weights are all there is."""
        return {}

    def restore(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Does nothing."""

    def _select(self, model: nn.Module) -> None:
        model.requires_grad_(True)
