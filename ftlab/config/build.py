"""Makes objects of the nodes that name a class. The only place that calls Hydra's `instantiate`.

In: a node and what the run adds to it. Out: the object. What may be named is decided in `target`.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from ftlab.config import target
from ftlab.config.release import building
from ftlab.problem import InputError, Problem, raise_all


def build(node: DictConfig | Mapping[str, Any], key: str, **given: Any) -> Any:
    """Calls a node's target with the node's keys and with what the run adds.

    Args:
        node: Holds `_target_`, perhaps `_partial_`, and keyword arguments.
        key: The node's full name, for messages.
        given: Further keyword arguments, such as a tokenizer; they win over the node's.

    Returns:
        What the target makes; with `_partial_` a callable that still takes the rest.

    Raises:
        InputError: The target is not allowed, not there, doesn't take these keys, lacks one, or refuses their values.
    """
    plain = target.plain(node)
    raise_all(target.check_node(plain, key))
    trust = building(list(target.names(plain)))
    factory = instantiate({**plain, "_partial_": True}, _convert_="all", **trust)
    if plain.get("_partial_"):
        return factory
    raise_all(_missing(plain, given, key))
    try:
        return factory(**given)
    except (ValueError, ImportError) as error:
        raise InputError([Problem(key, f"was refused by {plain['_target_']}: {error}")]) from error


def build_all(nodes: DictConfig, key: str, **given: Any) -> dict[str, Any]:
    """Builds each node of a group such as `callbacks`.

    Args:
        nodes: Name → node.
        key: The group's name.
        given: What the run can add; each target gets what it takes of it and its node leaves open (absent or null).

    Returns:
        Name → object, in the order of the configuration.

    Raises:
        InputError: As in `build`.
    """
    built = {}
    for name in map(str, nodes):
        place = f"{key}.{name}"
        built[name] = build(nodes[name], place, **_taken(nodes[name], place, given))
    return built


def build_method(node: DictConfig, *, total_steps: int) -> Any:
    """Builds the method of a run: ftlab's own classes as they are, PEFT's configs inside a `PeftMethod`.

    Args:
        node: `cfg.method`.
        total_steps: Optimizer steps of the whole run, for methods with a schedule.

    Returns:
        A `ftlab.method.method.Method`.

    Raises:
        InputError: As in `build`.
    """
    from peft import PeftConfig

    from ftlab.method.peft import PeftMethod

    built = build(target.method_keys(node), "method")
    if not isinstance(built, PeftConfig):
        return built
    own = target.plain(node)
    return PeftMethod(
        peft_config=built,
        name=own["name"],
        adapter_dtype=own["adapter_dtype"],
        lr_multipliers=own["lr_multipliers"],
        total_steps=total_steps,
    )


def _taken(node: DictConfig, key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    raise_all(target.check_node(node, key))
    parameters = inspect.signature(target.locate(node["_target_"])).parameters
    return {name: value for name, value in given.items() if name in parameters and node.get(name) is None}


def _missing(plain: Mapping[str, Any], given: Mapping[str, Any], key: str) -> Iterator[Problem]:
    """Finds arguments that neither the node nor the run gives."""
    for parameter in inspect.signature(target.locate(plain["_target_"])).parameters.values():
        variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is parameter.empty and not variadic and parameter.name not in {**plain, **given}:
            yield Problem(f"{key}.{parameter.name}", f"must be given: {plain['_target_']} can't do without it.")
