"""From the `method` group to a `Method`: the one place where PEFT's classes and ftlab's own part ways."""

from collections.abc import Mapping
from typing import Any

from peft import PeftConfig

from ftlab.method.method import AdapterDtype, Method
from ftlab.method.peft import PeftMethod


def build_method(
    target: type,
    arguments: Mapping[str, Any],
    *,
    name: str,
    total_steps: int,
    adapter_dtype: AdapterDtype = "float32",
    lr_multipliers: Mapping[str, float] | None = None,
) -> Method:
    """Builds the method that the user chose.

    Args:
        target: A PEFT config class, or a class of ftlab that is a `Method`.
        arguments: The target's own keyword arguments, as plain lists and dicts.
        name: As the user chose it.
        total_steps: Optimizer steps of the whole run, for methods with a schedule.
        adapter_dtype: Of the trained weights.
        lr_multipliers: Part of a parameter's name → factor on its learning rate.

    Raises:
        TypeError: The target has no such argument (`check_method` finds this and the next before loading).
        ValueError: The target refuses the arguments.
    """
    common: dict[str, Any] = {"name": name, "adapter_dtype": adapter_dtype, "lr_multipliers": lr_multipliers}
    if issubclass(target, PeftConfig):
        return PeftMethod(peft_config=target(**arguments), total_steps=total_steps, **common)
    method: Method = target(**arguments, **common)
    return method
