"""Collects everything that is wrong with a composed configuration, before anything heavy is imported.

In: the configuration as Hydra composed it. Out: all problems, in the order of the pipeline. Keys of nodes with a
`_target_` that belong to the target are left to `target`, which has to import it.
"""

from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftlab.config import kind, rule
from ftlab.config.schema import Component, Config
from ftlab.problem import Problem

_MISSING = "???"


def check(cfg: DictConfig) -> list[Problem]:
    """Checks keys, types, ranges and what must fit together.

    Args:
        cfg: The whole configuration, without Hydra's own node.

    Returns:
        Every problem; the rules across keys are tried only where each key by itself is sound.
    """
    problems = list(_node(cfg, cfg, Config, ""))
    return problems or list(rule.check(cfg))


def keys(cfg: DictConfig) -> list[str]:
    """Lists the full names of all keys, inner nodes included, such as `training` and `training.epochs`."""
    return list(_keys(OmegaConf.to_container(cfg, resolve=False), ""))


def suggestion(key: str, known: list[str]) -> str:
    """Names the known key that comes closest to a mistyped one.

    Args:
        key: The full key as typed.
        known: All keys there are.

    Returns:
        A sentence, or an empty text if nothing comes close.
    """
    last = key.rpartition(".")[2]
    same_name = [name for name in known if name.rpartition(".")[2] == last]
    close = get_close_matches(key, known, n=1, cutoff=0.75)
    similar = get_close_matches(last, [name.rpartition(".")[2] for name in known], n=1, cutoff=0.75)
    by_last = [name for name in known if similar and name.rpartition(".")[2] == similar[0]]
    best = (close or same_name or by_last)[:1]
    return f"Did you mean `{best[0]}`?" if best else ""


def _keys(node: Any, prefix: str) -> Iterator[str]:
    for name, value in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{name}"
        yield from _keys(value, f"{prefix}{name}.")


def _node(cfg: DictConfig, node: Any, schema: type, prefix: str) -> Iterator[Problem]:
    """Checks one node against its dataclass; `prefix` is its full name and a dot, or empty at the root."""
    if not OmegaConf.is_dict(node) or node._is_none():
        yield Problem(prefix.rstrip("."), f"must hold keys of its own, but is {_plain(node)!r}.")
        return
    declared = {entry.name: entry for entry in fields(schema)}
    for name in node:
        if name not in declared and not issubclass(schema, Component):
            key = f"{prefix}{name}"
            yield Problem(key, "is not a key.", suggestion(key, _known(cfg, schema, key)))
    present = set(node.keys())  # `in node` would leave out keys that still have to be given
    for name, entry in declared.items():
        if name in present:
            yield from _value(cfg, node, entry, prefix)
        elif not entry.metadata.get("optional"):
            yield Problem(f"{prefix}{name}", "is missing.", _how_to_give(f"{prefix}{name}", kind.describe(entry.type)))


def _known(cfg: DictConfig, schema: type, unknown: str) -> list[str]:
    """Keys that may have been meant: those of the same node first; nothing of the unknown key itself."""
    prefix = unknown.rpartition(".")[0]
    siblings = [f"{prefix}.{entry.name}".lstrip(".") for entry in fields(schema)]
    return siblings + [key for key in keys(cfg) if key != unknown and not key.startswith(f"{unknown}.")]


def _value(cfg: DictConfig, node: DictConfig, entry: Field[Any], prefix: str) -> Iterator[Problem]:
    """Checks one key of a node."""
    key, annotation = f"{prefix}{entry.name}", entry.type
    if OmegaConf.is_missing(node, entry.name):
        yield Problem(key, "must be given.", _how_to_give(key, kind.describe(annotation)))
        return
    if _is_hydras(node, entry.name):
        return
    try:
        value = node[entry.name]
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        yield Problem(key, f"can't be worked out: {str(error).splitlines()[0]}")
        return
    if is_dataclass(annotation):
        yield from _node(cfg, value, annotation, f"{key}.")  # type: ignore[arg-type]
    elif get_origin(annotation) is dict and is_dataclass(get_args(annotation)[1]) and OmegaConf.is_dict(value):
        for name in value:
            yield from _node(cfg, value[name], get_args(annotation)[1], f"{key}.{name}.")
    else:
        yield from _plain_value(key, _plain(value), entry)


def _plain_value(key: str, value: Any, entry: Field[Any]) -> Iterator[Problem]:
    expected = kind.describe(entry.type)
    if not kind.matches(value, entry.type):
        yield Problem(key, f"must be {expected}, but is {value!r}.")
        return
    is_number = isinstance(value, int | float)  # null or a word may stand in its place
    for words, bound in entry.metadata.get("bounds", {}).items() if is_number else ():
        holds = {"at least": value >= bound, "more than": value > bound, "at most": value <= bound}
        if not holds.get(words, value < bound):
            yield Problem(key, f"must be {words} {bound}, but is {value}.")


def _is_hydras(node: DictConfig, name: str) -> bool:
    """Whether the value is Hydra's to fill in once the run has a folder."""
    raw = OmegaConf.to_container(node, resolve=False)
    return isinstance(raw, dict) and str(raw[name]).startswith("${hydra:")


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _how_to_give(key: str, expected: str) -> str:
    example = {"data.path": "your file", "model.path": "a folder or a hub id", "data.hub_id": "org/name"}
    return f"Add {key}=<{example.get(key, expected)}>."
