"""Adapters that start from a part of the base's own weights: PiSSA, OLoRA, CorDA, LoRA-GA.

They split each weight, W = W' + s·B₀A₀, and W' stays in memory as the base. Such an adapter would be wrong on the
base as published, so what is saved is the difference s·BA - s·B₀A₀ = s·[B, -B₀][A; A₀], a plain LoRA of twice the
rank, by PEFT's own conversion.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

STARTS = ("pissa", "olora", "corda", "lora_ga")
"""What `init_lora_weights` begins with."""


def changes_base(config: PeftConfig) -> bool:
    """Whether the adapter takes a part of the base's weights at its start."""
    return str(getattr(config, "init_lora_weights", "")).lower().startswith(STARTS)


class InitialAdapter:
    """The adapter as it was before training.

    Args:
        model: Straight after the adapter was added.
    """

    def __init__(self, model: PeftModel) -> None:
        self._weights = {
            name: weight.detach().cpu().clone() for name, weight in get_peft_model_state_dict(model).items()
        }

    def save_difference(self, model: PeftModel, folder: Path) -> None:
        """Saves what training added, as a LoRA for the base as published.

        Args:
            model: The trained model; left as it is.
            folder: Made if missing.
        """
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        with TemporaryDirectory() as scratch, warnings.catch_warnings():
            # PEFT warns of a second adapter beside one that changes the base, which is what its conversion loads.
            warnings.filterwarnings("ignore", message=".*changes the base weights of the model.*")
            initial = Path(scratch) / "initial"
            initial.mkdir()
            save_file(self._weights, initial / "adapter_model.safetensors")
            model.save_pretrained(str(folder), path_initial_model_for_weight_conversion=str(initial))
        for weight in trained:  # PEFT loaded the initial adapter beside it and took it away again
            weight.requires_grad_(True)
