"""Checks the nodes that name a class: is it one we may call, does it exist, and does it take these keys?

Hydra's `instantiate` calls whatever a YAML file names, and its own blocklist is no boundary. Here only classes of a few
packages pass, wherever the name leads. In: nodes of a configuration whose other keys are sound (`validate`). Out:
problems. This imports the packages that are named.
"""

import importlib
import inspect
import re
import typing
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.config import kind
from ftlab.problem import Problem

ALLOWED = (
    r"ftlab\.\w[\w.]*",
    r"peft\.(\w+\.)*\w+Config",
    r"torch\.optim\.\w[\w.]*",
    r"bitsandbytes\.optim\.\w[\w.]*",
    r"transformers\.optimization\.Adafactor",
    r"lightning\.pytorch\.(callbacks|loggers)\.\w[\w.]*",
)
"""The classes that a configuration may name, as patterns of their full names."""

OWN_KEYS = ("name", "learning_rate", "adapter_dtype", "lr_multipliers")
"""Keys of a method node that are ftlab's, not the target's."""

_REFUSED = ("_args_", "_recursive_", "_convert_")
_GROUP = "ftlab.conf"


def check(cfg: DictConfig) -> list[Problem]:
    """Checks every node of a configuration that has a `_target_`.

    Args:
        cfg: The whole configuration.

    Returns:
        Every problem, in the order of the pipeline.
    """
    problems = list(check_node(method_keys(cfg.method), "method"))
    problems += check_node(cfg.optimizer, "optimizer")
    for group in ("callbacks", "logger"):
        for name in cfg[group]:
            problems += check_node(cfg[group][name], f"{group}.{name}")
    return problems


def method_keys(node: DictConfig) -> dict[str, Any]:
    """Returns a method node without those of ftlab's own keys that its target doesn't take."""
    keys = plain(node)
    taken: Collection[str] = ()
    if not list(_name_problems(keys, "method")):
        taken = inspect.signature(locate(keys["_target_"])).parameters
    return {key: value for key, value in keys.items() if key not in OWN_KEYS or key in taken}


def locate(name: str) -> Any:
    """Imports what stands directly in a module: `package.module.Class`.

    Args:
        name: A full name that passed the patterns.

    Returns:
        What bears that name.

    Raises:
        ImportError: There is no such module, or nothing of that name in it.
    """
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ImportError(f"{module} has no {attribute}") from None


def plain(node: Mapping[str, Any]) -> dict[str, Any]:
    """Resolves a node's references once, so that what is checked is what is built."""
    resolved = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else dict(node)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def check_node(node: Mapping[str, Any], key: str) -> Iterator[Problem]:
    """Checks a node and the nodes inside it.

    Args:
        node: Holds `_target_` and the target's keyword arguments.
        key: Its full name, for messages.

    Yields:
        Problems: a target that is not allowed or not there, keys it doesn't take, values of the wrong type.
    """
    keys = plain(node)
    problems = list(_name_problems(keys, key)) if "_target_" in keys else []
    yield from problems
    if "_target_" in keys and not problems:
        yield from _argument_problems(locate(keys["_target_"]), keys, key)
    for name, value in keys.items():
        for place, inner in _inner_nodes(value, f"{key}.{name}"):
            yield from check_node(inner, place)


def names(node: Mapping[str, Any]) -> Iterator[str]:
    """Yields the targets of a node and of those inside it.

    Args:
        node: Plain data.
    """
    if "_target_" in node:
        yield str(node["_target_"])
    for value in node.values():
        for _, inner in _inner_nodes(value, ""):
            yield from names(inner)


def _inner_nodes(value: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield key, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _inner_nodes(item, f"{key}[{place}]")


def _name_problems(node: dict[str, Any], key: str) -> Iterator[Problem]:
    """Checks `_target_` itself; imports only what the patterns let pass, and looks at the class it really is."""
    for name in _REFUSED:
        if name in node:
            yield Problem(f"{key}.{name}", "is not a key.", "Give the target's arguments by name.")
    name, place = str(node["_target_"]), f"{key}._target_"
    refusal = Problem(
        place,
        f"must be a class that ftlab may call, but is {name!r}.",
        f"Allowed: {', '.join(_in_words())}. A package of your own joins with a `{_GROUP}` entry point.",
    )
    if not _is_allowed(name):
        yield refusal
        return
    try:
        found = locate(name)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        yield Problem(place, f"can't be imported: {reason}.", "Check the name, and that it is installed.")
        return
    if not inspect.isclass(found) or not _is_allowed(f"{found.__module__}.{found.__qualname__}"):
        yield refusal


def _is_allowed(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in [*ALLOWED, *_pack_patterns()])


def _pack_patterns() -> list[str]:
    packages = {entry.value.partition(":")[0].partition(".")[0] for entry in entry_points(group=_GROUP)}
    return [rf"{re.escape(package)}\.\w[\w.]*" for package in sorted(packages)]


def _in_words() -> list[str]:
    plain = (re.sub(r"\(\\w\+\\\.\)\*|\\w\[\\w\.\]\*|\\w\+", "*", pattern) for pattern in [*ALLOWED, *_pack_patterns()])
    return [pattern.replace("\\", "").replace("**", "*") for pattern in plain]


def _argument_problems(target: type, node: dict[str, Any], key: str) -> Iterator[Problem]:
    parameters = inspect.signature(target).parameters
    annotations = _annotations(target)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if name not in parameters and not takes_any:
            close = get_close_matches(name, parameters, n=1)
            fix = f"Did you mean `{key}.{close[0]}`?" if close else f"It takes {', '.join(parameters)}."
            yield Problem(f"{key}.{name}", f"is not a key of {node['_target_']}.", fix)
        elif not _suits(value, annotations.get(name, Any)):
            yield Problem(f"{key}.{name}", f"must be {kind.describe(annotations[name])}, but is {value!r}.")


def _suits(value: Any, annotation: Any) -> bool:
    nested = isinstance(value, dict) and "_target_" in value
    return nested or kind.matches(value, annotation)


def _annotations(target: type) -> dict[str, Any]:
    """Reads a class's annotations; without those that can't be evaluated here."""
    holder = target if "__dataclass_fields__" in vars(target) else target.__init__  # type: ignore[misc]
    try:
        return typing.get_type_hints(holder)
    except (NameError, TypeError, AttributeError):
        return {}
