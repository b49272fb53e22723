"""What is wrong with the method for this model, found on the skeleton: all module names, no weights."""

import copy
import re
import warnings
from collections.abc import Iterator
from typing import Any

from peft import AdaLoraConfig, PeftConfig, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from ftlab.method.freeze import FreezeMethod
from ftlab.method.full import FullMethod
from ftlab.method.initial import changes_base
from ftlab.method.loftq import LoftqConfig
from ftlab.method.method import Method
from ftlab.problem import Problem

_FOUR_BIT = ("nf4", "fp4")


def check_method(
    chosen: PeftConfig | Method,
    *,
    name: str,
    skeleton: PreTrainedModel,
    quantization: str = "none",
    random_weights: bool = False,
) -> list[Problem]:
    """Finds what would keep the method from being applied to the model.

    Args:
        chosen: The object that the node's `_target_` made; left as it is.
        name: As the user chose it.
        skeleton: The model on the meta device (`ftlab.model.load.build_skeleton`); left as it is.
        quantization: The kind: none, nf4, fp4, int8 or fp8.
        random_weights: Whether the model's weights are drawn, not read.

    Returns:
        The problems; empty if the method fits.
    """
    if isinstance(chosen, PeftConfig):
        found = [*_check_start(chosen, name, quantization, random_weights), *_check_peft(chosen, skeleton)]
        return found or list(_try(chosen, skeleton))
    found = []
    if isinstance(chosen, FullMethod) and quantization != "none":
        what = f"must be none with method={name}, but is {quantization}: quantised weights can't be trained."
        found.append(Problem("quantization", what, "Set quantization=none, or method=qlora to train an adapter on it."))
    if isinstance(chosen, FreezeMethod):
        found += _check_freeze(chosen, skeleton)
    return found


def _check_start(config: PeftConfig, name: str, quantization: str, random_weights: bool) -> Iterator[Problem]:
    """How an adapter that starts from the base's weights and the base's quantization go together."""
    if changes_base(config):
        if quantization != "none":
            what = f"must be none with method={name}, which splits the base's weights, but is {quantization}."
            yield Problem("quantization", what, "Set quantization=none, or method=loftq for a 4-bit base.")
        if getattr(config, "use_dora", False) or getattr(config, "modules_to_save", None):
            what = f"must be without use_dora and modules_to_save where init_lora_weights={config.init_lora_weights}."
            yield Problem("method", what, "Such an adapter can't be turned into one for the base as published.")
    if isinstance(config, LoftqConfig):
        if quantization not in _FOUR_BIT:
            what = f"must be nf4 or fp4 with method={name}, which starts at the rounding error, but is {quantization}."
            yield Problem("quantization", what, "Set quantization=nf4.")
        if random_weights:
            what = f"must be pretrained with method={name}, which reads the original weights, but is random."
            yield Problem("model.weights", what, "Set method=qlora to measure speed or memory.")


def _check_peft(config: PeftConfig, skeleton: PreTrainedModel) -> Iterator[Problem]:
    """Names and numbers that PEFT would pass over in silence, or that would fail in the middle of the run."""
    targets = getattr(config, "target_modules", None)
    if isinstance(targets, (list, tuple, set)):
        names = [module for module, _ in skeleton.named_modules()]
        unknown = sorted(t for t in targets if not any(n == t or n.endswith(f".{t}") for n in names))
        if unknown:
            yield _unmatched("method.target_modules", unknown, skeleton)
    count = skeleton.config.get_text_config().num_hidden_layers
    layers = getattr(config, "layers_to_transform", None)
    last = max([layers] if isinstance(layers, int) else layers or [0])
    if last >= count:
        what = f"must be at most {count - 1}, the model's last layer, but is {last}."
        yield Problem("method.layers_to_transform", what)
    if isinstance(config, AdaLoraConfig) and config.target_r >= config.init_r:
        what = f"must be less than method.init_r, which is {config.init_r}, but is {config.target_r}."
        fix = "AdaLoRA begins with a larger rank and cuts it; for a fixed one, set method=lora."
        yield Problem("method.target_r", what, fix)


def _try(config: PeftConfig, skeleton: PreTrainedModel) -> Iterator[Problem]:
    """Applies the adapter to a copy of the skeleton, and passes on what PEFT refuses."""
    config = copy.deepcopy(config)
    if changes_base(config):
        config.init_lora_weights = True  # the start needs weights; names and ranks do not
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            get_peft_model(copy.deepcopy(skeleton), config, low_cpu_mem_usage=not config.is_prompt_learning)
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        if "arget modules" in str(error) or "No modules were targeted" in str(error):
            yield _unmatched("method.target_modules", getattr(config, "target_modules", None), skeleton)
        else:
            yield Problem("method", f"must fit {type(skeleton).__name__}, but PEFT says: {_sentence(error)}")


def _check_freeze(method: FreezeMethod, skeleton: PreTrainedModel) -> Iterator[Problem]:
    count = skeleton.config.get_text_config().num_hidden_layers
    if not 0 <= method.last_layers <= count:
        what = f"must be from 0 to {count}, the number of the model's layers, but is {method.last_layers}."
        yield Problem("method.last_layers", what, "To train all weights, set method=full.")
    names = [name for name, _ in skeleton.named_parameters(remove_duplicate=False)]
    for pattern in method.patterns:
        try:
            matched = any(re.search(pattern, name) for name in names)
        except re.error as error:
            yield Problem("method.patterns", f"must be regular expressions, but '{pattern}' is none: {error}.")
            continue
        if not matched:
            kinds = ", ".join(dict.fromkeys(re.sub(r"\d+", "<n>", name) for name in names))
            what = f"must match names of the model's parameters, but '{pattern}' matches none."
            yield Problem("method.patterns", what, f"There are: {kinds}.")
    if method.last_layers == 0 and not method.patterns:
        what = "must be at least 1 where method.patterns is empty, but is 0: nothing would be trained."
        yield Problem("method.last_layers", what)


def _unmatched(where: str, names: Any, skeleton: PreTrainedModel) -> Problem:
    listed = ", ".join(names) if isinstance(names, (list, tuple, set)) else names
    linear = [name.rpartition(".")[2] for name, module in skeleton.named_modules() if isinstance(module, nn.Linear)]
    what = f"must name modules of {type(skeleton).__name__}, but nothing there matches {listed}."
    fix = f"Its linear layers are {', '.join(dict.fromkeys(linear))}; all-linear takes all but the head."
    return Problem(where, what, fix)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
