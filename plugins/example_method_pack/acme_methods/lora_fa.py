"""LoRA-FA (arXiv 2308.03303): LoRA whose A stays as it was drawn; only B is trained.

Half the trained weights and optimizer states of LoRA at the same rank. What it saves is a plain LoRA adapter, which
PEFT loads without this package.
"""

from collections.abc import Mapping

from peft import LoraConfig, PeftModel
from torch import nn

from ftlab.method.method import AdapterDtype
from ftlab.method.peft import PeftMethod


class LoraFa(PeftMethod):
    """Trains B of each adapter and nothing else.

    The arguments are the keys of `conf/method/lora-fa.yaml`: ftlab checks names and types of what a user overrides
    against this signature.

    Args:
        name: As the user chose it.
        r: Rank.
        lora_alpha: The adapter's part is scaled by alpha/r.
        target_modules: The matrices that get an adapter.
        adapter_dtype: Of the adapter's weights.
        lr_multipliers: Part of a parameter's name -> factor on its learning rate.
    """

    def __init__(
        self,
        *,
        name: str,
        r: int = 16,
        lora_alpha: int = 32,
        target_modules: str | list[str] = "all-linear",
        adapter_dtype: AdapterDtype = "float32",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        config = LoraConfig(task_type="CAUSAL_LM", r=r, lora_alpha=lora_alpha, target_modules=target_modules)
        super().__init__(
            peft_config=config, name=name, total_steps=1, adapter_dtype=adapter_dtype, lr_multipliers=lr_multipliers
        )

    def apply(self, model: nn.Module) -> PeftModel:
        """Adds the adapter and freezes its first half.

        Args:
            model: The base, as loaded.

        Returns:
            The PEFT model.
        """
        tuned = super().apply(model)
        for name, parameter in tuned.named_parameters():
            if ".lora_A." in name:
                parameter.requires_grad_(False)
        return tuned
