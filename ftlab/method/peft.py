"""Any adapter that PEFT knows: PEFT's own config class in, PEFT's own model and files out.

Comes in: a base model and a PEFT config. Goes out: a `PeftModel` whose adapter is the only thing that is trained.
Special cases live next door: `adalora` (rank schedule), `initial` (adapters that start from the base's weights).

Dtypes. Nothing of the base is cast: embeddings, head and norms stay as loaded. The adapter gets `adapter_dtype`.
A float32 adapter on a bfloat16 base is meant to run under bfloat16 autocast: then products run in bfloat16 and
the adapter keeps float32 precision between updates. PEFT would still cast each layer's input to float32 before
autocast casts it back, which costs a float32 copy of every activation (a fifth of the peak). So the cast is left
out while autocast is on; outside autocast it stays, because the dtypes would not fit without it.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel, PeftType, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from ftlab.data.row import Layout
from ftlab.method.adalora import AdaLoraSchedule, stretch_schedule
from ftlab.method.initial import InitialAdapter, changes_base
from ftlab.method.loftq import LoftqConfig, init_loftq
from ftlab.method.method import AdapterDtype, cast_trainable


class PeftMethod:
    """Trains an adapter and nothing else.

    Args:
        peft_config: Any of PEFT's configs; a schedule in it is stretched to the run's steps.
        name: As the user chose it.
        adapter_dtype: Of the adapter's weights.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.
        total_steps: Optimizer steps of the whole run.
    """

    def __init__(
        self,
        *,
        peft_config: PeftConfig,
        name: str,
        total_steps: int,
        adapter_dtype: AdapterDtype = "float32",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self.layout: Layout = layout_of(peft_config)
        self.lr_multipliers: Mapping[str, float] = dict(lr_multipliers or {})
        self._config = peft_config
        self._adapter_dtype: AdapterDtype = adapter_dtype
        self._total_steps = total_steps
        self._initial: InitialAdapter | None = None
        self._schedule: AdaLoraSchedule | None = None

    def apply(self, model: nn.Module) -> PeftModel:
        """Freezes the base and adds the adapter, in place.

        Args:
            model: The base, as loaded.

        Returns:
            The PEFT model. Prompt learning puts virtual tokens in front of each row: give it no `position_ids`, and
            count positions of logits from the end.

        Raises:
            ValueError: The config does not fit the model (`check_method` finds this before loading).
        """
        model.requires_grad_(False)
        config = stretch_schedule(self._config, self._total_steps)
        with warnings.catch_warnings():  # PEFT asks Transformers for an attribute that has a new name
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            peft_model: PeftModel = get_peft_model(model, config, autocast_adapter_dtype=False)
        if isinstance(config, LoftqConfig):
            init_loftq(peft_model)
        cast_trainable(peft_model, self._adapter_dtype)
        if changes_base(config):
            self._initial = InitialAdapter(peft_model)
        if config.peft_type == PeftType.ADALORA:
            self._schedule = AdaLoraSchedule(peft_model)
        cast_inputs_outside_autocast_only(peft_model)
        return peft_model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Writes adapter_config.json and adapter_model.safetensors, to be loaded on the base as published.

        Args:
            model: What `apply` returned.
            folder: Made if missing.
        """
        assert isinstance(model, PeftModel)
        with warnings.catch_warnings():
            if self._schedule is not None:  # a module that lost all its rank is saved empty, and loads
                warnings.filterwarnings("ignore", message=".*have invalid shape.*")
            if self._initial is None:
                model.save_pretrained(str(folder))
            else:
                self._initial.save_difference(model, folder)

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """AdaLoRA's orthogonality penalty; None for all others."""
        return None if self._schedule is None else self._schedule.penalty(model)

    def after_step(self, model: nn.Module, step: int) -> None:
        """AdaLoRA moves ranks; all others do nothing. Needs the step's gradients."""
        if self._schedule is not None:
            self._schedule.move_ranks(model, step)

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """AdaLoRA's importance scores and rank pattern; empty for all others."""
        return {} if self._schedule is None else self._schedule.state(model)

    def restore(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave."""
        if self._schedule is not None:
            self._schedule.restore(model, state)


def layout_of(peft_config: PeftConfig) -> Layout:
    """Padded for methods that put something in front of each row or replace attention; else packed.

    Virtual tokens stand once in front of a sequence, so in a packed one only the first row would see them.
    """
    replaces_attention = peft_config.peft_type == PeftType.ADAPTION_PROMPT
    return "padded" if peft_config.is_prompt_learning or replaces_attention else "packed"


def cast_inputs_outside_autocast_only(model: nn.Module) -> None:
    """Leaves PEFT's cast of each layer's input out while autocast is on: see the module's docstring.

    Args:
        model: A PEFT model; changed in place.
    """
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module._cast_input_dtype = _cast_outside_autocast


def _cast_outside_autocast(x: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """PEFT's `BaseTunerLayer._cast_input_dtype`, but for autocast: see the module's docstring."""
    if x is None or x.dtype == dtype or torch.is_autocast_enabled(x.device.type):
        return x
    return x.to(dtype)
