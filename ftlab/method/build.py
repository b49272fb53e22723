"""From what the `method` group names to a `Method`: here PEFT's configs and ftlab's own methods part ways."""

from collections.abc import Mapping

from peft import PeftConfig

from ftlab.method.method import AdapterDtype, Method
from ftlab.method.peft import PeftMethod


def build_method(
    chosen: PeftConfig | Method,
    *,
    name: str,
    total_steps: int,
    adapter_dtype: AdapterDtype = "float32",
    lr_multipliers: Mapping[str, float] | None = None,
) -> Method:
    """Makes a method of a PEFT config; one of ftlab's own is returned as it is.

    Args:
        chosen: The object that the node's `_target_` made.
        name: As the user chose it.
        total_steps: Optimizer steps of the whole run, for methods with a schedule.
        adapter_dtype: Of the trained weights.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.
    """
    if not isinstance(chosen, PeftConfig):
        method: Method = chosen
        return method
    return PeftMethod(
        peft_config=chosen,
        name=name,
        total_steps=total_steps,
        adapter_dtype=adapter_dtype,
        lr_multipliers=lr_multipliers,
    )
