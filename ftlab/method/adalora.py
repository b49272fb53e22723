"""AdaLoRA (arXiv 2303.10512): the rank schedule driven by the run's steps, and the orthogonality penalty.

PEFT adds the penalty only to a loss that the model computes itself, and leaves the schedule to the caller.
"""

import copy
from collections.abc import Mapping

import torch
from peft import AdaLoraConfig, PeftConfig, PeftModel
from torch import Tensor


def stretch_schedule(config: PeftConfig, total_steps: int) -> PeftConfig:
    """Draws AdaLoRA's schedule for the run's number of steps; returns any other config as it is.

    `tinit`, `tfinal` and `deltaT` keep their share of `total_step`. Steps count from 1, and at least one is left
    before the last cut, so that there is an importance to cut by; only a run of a single step cuts nothing.

    Args:
        config: Not changed.
        total_steps: Optimizer steps of the whole run.
    """
    if not isinstance(config, AdaLoraConfig):
        return config
    config = copy.deepcopy(config)
    factor = total_steps / config.total_step
    config.tinit = min(round(config.tinit * factor), max(0, total_steps - 2))
    config.tfinal = min(round(config.tfinal * factor), max(0, total_steps - config.tinit - 2))
    config.deltaT = max(1, round(config.deltaT * factor))
    config.total_step = total_steps
    return config


class AdaLoraSchedule:
    """Moves rank between the layers of one model.

    Args:
        model: The PEFT model, which holds the config and the rank allocator.
    """

    def __init__(self, model: PeftModel) -> None:
        self._adapter = model.base_model.trainable_adapter_name

    def penalty(self, model: PeftModel) -> Tensor | None:
        """orth_reg_weight · mean over all A and B of ‖A Aᵀ - I‖ (or ‖Bᵀ B - I‖), the Frobenius norm, in float32.

        The term that `peft.AdaLoraModel.forward` adds to the loss.

        Args:
            model: The PEFT model.

        Returns:
            A scalar with its graph; None where the weight is 0.
        """
        weight = model.peft_config[self._adapter].orth_reg_weight
        if weight == 0:
            return None
        terms = []
        for name, factor in model.base_model.model.named_parameters():
            if self._adapter in name and ("lora_A" in name or "lora_B" in name):
                factor = factor.float()
                covariance = factor @ factor.T if "lora_A" in name else factor.T @ factor
                identity = torch.eye(covariance.shape[0], device=covariance.device)
                terms.append(torch.linalg.matrix_norm(covariance - identity))
        penalty: Tensor = weight * torch.stack(terms).mean()
        return penalty

    def move_ranks(self, model: PeftModel, step: int) -> None:
        """Updates the importance of each direction, and cuts the least important ones when the schedule says so.

        A step that was skipped for want of gradients leaves everything as it was.

        Args:
            model: The PEFT model, with the gradients of the step.
            step: Optimizer steps done, this one counted.
        """
        factors = [weight for name, weight in model.named_parameters() if "lora_" in name and weight.requires_grad]
        config = model.peft_config[self._adapter]
        nothing_known = step == config.total_step - config.tfinal and not model.base_model.rankallocator.exp_avg_ipt
        if nothing_known or any(weight.grad is None for weight in factors):
            return
        model.base_model.update_and_allocate(step)

    def state(self, model: PeftModel) -> dict[str, Tensor]:
        """The smoothed importances and the rank pattern, which a resumed run must have to cut the same directions."""
        allocator = model.base_model.rankallocator
        state = {f"importance/{name}": value for name, value in allocator.exp_avg_ipt.items()}
        state |= {f"uncertainty/{name}": value for name, value in allocator.exp_avg_unc.items()}
        pattern = model.peft_config[self._adapter].rank_pattern or {}
        return state | {f"rank/{name}": torch.tensor(kept) for name, kept in pattern.items()}

    def restore(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave."""
        allocator = model.base_model.rankallocator
        devices = {name: weight.device for name, weight in model.base_model.model.named_parameters()}
        pattern: dict[str, list[bool]] = {}
        for key, value in state.items():
            kind, name = key.split("/", 1)
            if kind == "rank":
                pattern[name] = value.tolist()
                continue
            target = allocator.exp_avg_ipt if kind == "importance" else allocator.exp_avg_unc
            target[name] = value.to(devices[name])
            allocator.ipt.setdefault(name, torch.zeros_like(target[name]))
        model.peft_config[self._adapter].rank_pattern = pattern or None
