"""What the shipped YAML files may compute: `${ftlab.times:a,b}`, `${ftlab.groups:}`, `${ftlab.job_name:…}`."""

import math
import shutil
import textwrap

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from ftlab.config.name import job_name
from ftlab.config.release import register_resolver

GROUPS = {
    "task": "what to do",
    "model": "the base model",
    "quantization": "how the frozen base is stored",
    "method": "what is trained",
    "data": "what it learns from",
    "check": "what is looked for in the rows",
    "training": "how long, in what portions",
    "optimizer": "how weights are updated",
    "scheduler": "the learning rate over time",
    "trainer": "the hardware",
    "kernels": "which parts of the model run fused",
    "callbacks": "what happens during training",
    "logger": "where numbers go",
    "evaluation": "what is measured at the end",
    "experiment": "recipes on top of all that",
    "ablation": "sweeps ready to run: python -m ftlab -m ablation=methods",
    "search": "searches for settings: python -m ftlab -m search=default",
    "cluster": "where the jobs of a sweep run",
}
"""The config groups in the order of the pipeline, with what each decides."""

_SIGNIFICANT_DIGITS = 12
_INDENT = 16


def times(*factors: int | float) -> int | float:
    """Multiplies its arguments: a method's learning rate by a model's factor.

    Args:
        factors: Numbers; none of them may be missing.

    Returns:
        The product, an integer where all factors are; else rounded to 12 digits so that 2e-4 · 10 reads 0.002 in every
        table.
    """
    if all(isinstance(factor, int) for factor in factors):
        return math.prod(factors)
    return float(f"{math.prod(float(factor) for factor in factors):.{_SIGNIFICANT_DIGITS}g}")


def groups() -> str:
    """Lists every group and its choices for `--help`, those of the user's own folder and of installed packs included.

    Returns:
        A line or more for each group, wrapped to the terminal, at most 100 columns; a star marks what is chosen.
    """
    chosen = HydraConfig.get().runtime.choices
    loader = GlobalHydra.instance().config_loader()
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    known = [name for name in loader.list_groups("") if name != "hydra"]
    lines = []
    for name in sorted(known, key=lambda group: list(GROUPS).index(group) if group in GROUPS else len(GROUPS)):
        taken = chosen.get(name) or ()
        taken = (taken,) if isinstance(taken, str) else tuple(taken)
        choices = (f"{choice}*" if choice in taken else choice for choice in sorted(loader.get_group_options(name)))
        lines.append(f"  {name:<{_INDENT - 2}}{GROUPS.get(name, '')}")
        wrapped = textwrap.wrap(", ".join(choices), width - _INDENT, break_on_hyphens=False)
        lines += [" " * _INDENT + line for line in wrapped]
    return "\n".join(lines)


def register() -> None:
    """Makes the resolvers known to OmegaConf; doing it twice changes nothing."""
    register_resolver("ftlab.times", times)
    register_resolver("ftlab.groups", groups)
    register_resolver("ftlab.job_name", job_name)
