"""Adapters as they lie on disk: whether one fits a base, and how it gets onto it.

In: a folder as PEFT writes it, and a base. Out: problems, found on the skeleton before any weight is loaded; or the
PEFT model, with its adapter on and nothing trained.
"""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel

from ftlab.data.row import Layout
from ftlab.method.peft import cast_inputs_outside_autocast_only, layout_of
from ftlab.problem import Problem

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PARTS = re.compile(r"base_model\.model\.(.+?)\.((?:lora|ia3|vera|oft|base_layer|weight|bias)(?:_\w+)?(?:\.\w+)?)")
"""A weight of an adapter: the module that it is on, and which of that module's weights it is."""
_SIZES = (
    ("lora_A", 1, "in_features", "takes"), ("lora_B", 0, "out_features", "gives"),
    ("vera_lambda_b", 0, "out_features", "gives"),
)  # fmt: skip
"""Kinds of weights, and along which axis they are as large as the layer."""
_SHOWN = 3


def adapter_config(folder: Path) -> dict[str, Any]:
    """Returns what `adapter_config.json` says; empty where it can't be read."""
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def adapter_layout(folder: Path) -> Layout:
    """Returns how rows can share a forward pass under the adapter in `folder`."""
    return layout_of(PeftConfig.from_pretrained(str(folder)))


def check_adapter(folder: Path, where: str) -> list[Problem]:
    """Finds what is missing in an adapter's folder.

    Args:
        folder: The adapter's.
        where: The setting that names it.

    Returns:
        At most one problem.
    """
    if "peft_type" not in adapter_config(folder):
        what = f"must hold an adapter, but '{folder / CONFIG}' can't be read as PEFT's configuration of one."
        return [Problem(where, what, "Copy the whole folder again.")]
    try:
        with safe_open(folder / WEIGHTS, "pt"):
            return []
    except Exception as error:  # safetensors raises its own errors, and OSError
        what = f"must hold an adapter, but '{folder / WEIGHTS}' can't be read: {str(error).splitlines()[0]}."
        return [Problem(where, what, "Copy the whole folder again.")]


def check_fit(folder: Path, skeleton: PreTrainedModel, where: str, base: str) -> list[Problem]:
    """Finds out whether an adapter was made for another base: by the modules it names, and their sizes.

    Args:
        folder: The adapter's; sound by `check_adapter`.
        skeleton: The base on the meta device.
        where: The setting that names the base.
        base: The base as the user knows it.

    Returns:
        At most one problem, which names what doesn't fit.
    """
    with safe_open(folder / WEIGHTS, "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  no mapping
    modules = dict(skeleton.named_modules())
    misfits = [text for name, shape in shapes.items() for text in _misfits(name, shape, modules, skeleton)]
    if not misfits:
        return []
    more = f", and {len(misfits) - _SHOWN} more" if len(misfits) > _SHOWN else ""
    what = f"must be the base that the adapter was made for, but {base} isn't: {'; '.join(misfits[:_SHOWN])}{more}."
    made_for = adapter_config(folder).get("base_model_name_or_path")
    return [Problem(where, what, f"The adapter names '{made_for}' as its base.")]


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Puts an adapter onto its base, in place, for use and not for training.

    Weights that were saved in float32 stay so beside a base of 16 bits, as in training: rounded ones are another model.

    Args:
        model: The base, as loaded.
        folder: The adapter's.

    Returns:
        The PEFT model, in evaluation mode.
    """
    with warnings.catch_warnings():  # PEFT asks Transformers for an attribute that has a new name
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        tuned: PeftModel = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=_is_float32(folder))
    cast_inputs_outside_autocast_only(tuned)
    return tuned.eval()


def _is_float32(folder: Path) -> bool:
    with safe_open(folder / WEIGHTS, "pt") as file:
        return any(file.get_slice(name).get_dtype() == "F32" for name in file.keys())  # noqa: SIM118  no mapping


def _misfits(
    name: str, shape: tuple[int, ...], modules: dict[str, nn.Module], skeleton: PreTrainedModel
) -> Iterator[str]:
    """What of one weight doesn't fit; weights of kinds that aren't known here are left to PEFT."""
    width = skeleton.config.get_text_config().hidden_size
    if name == "prompt_embeddings" and shape[-1] % width and width % shape[-1]:
        yield f"its virtual tokens are {shape[-1]} wide where the model is {width}"
    found = _PARTS.fullmatch(name)
    if found is None:
        return
    path, part = found.groups()
    if path not in modules:
        yield f"it has no {path}"
        return
    for kind, axis, feature, verb in _SIZES:
        wanted = getattr(modules[path], feature, None)
        if part.startswith(kind) and wanted is not None and shape[axis] != wanted:
            yield f"its {path} {verb} {wanted} values, the adapter's {shape[axis]}"
