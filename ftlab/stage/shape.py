"""The shapes that plans are made of: the model's own, from its config alone, and those of the shipped models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.config.folder import CONF_DIR
from ftlab.memory.shape import Shape, shape_of
from ftlab.problem import InputError, Problem

USUAL_ROW_TOKENS = 2048
"""The longest row that `task=plan` reckons with where training.max_row_tokens doesn't say; it reads no data."""


def row_tokens(cfg: DictConfig) -> int:
    """Returns the longest row that a plan without data reckons with."""
    return cfg.training.max_row_tokens or USUAL_ROW_TOKENS


def model_keys(cfg: DictConfig) -> Mapping[str, Any]:
    """Returns the keys of the model's Transformers config: from the configuration, its folder, or the hub's copy of it.

    Args:
        cfg: The composed configuration.

    Raises:
        InputError: They can't be read.
    """
    if cfg.model.shape is not None:
        return OmegaConf.to_container(cfg.model.shape, resolve=True)  # type: ignore[return-value]
    folder = Path(str(cfg.model.path)).expanduser()
    if (folder / "config.json").is_file():
        return _config_file(folder / "config.json")
    if folder.is_dir() or str(cfg.model.path).startswith(("/", "./", "../", "~")):
        what = f"must be a folder with a config.json, but {str(cfg.model.path)!r} "
        what += "has none." if folder.is_dir() else "does not exist."
        raise InputError([Problem("model.path", what, "Correct the path, or give a hub id.")])
    from ftlab.model.load import load_config  # heavy, and only here needed

    try:
        config = load_config(
            path=cfg.model.path,
            trust_remote_code=cfg.model.trust_remote_code,
            revision=cfg.model.revision,
            offline=cfg.offline,
        )
    except (OSError, ValueError) as error:
        what = f"must be a folder or a hub id with a config.json, but: {str(error).splitlines()[0]}"
        raise InputError([Problem("model.path", what, "Or give its sizes as model.shape.")]) from error
    keys: dict[str, Any] = config.get_text_config().to_dict()
    return keys


def _config_file(file: Path) -> Mapping[str, Any]:
    try:
        keys = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        what = f"must hold a readable config.json, but '{file}' is broken: {error}"
        raise InputError([Problem("model.path", what, "Copy it from the model's page anew.")]) from error
    if not isinstance(keys, dict):
        what = f"must hold a config.json with the model's keys, but '{file}' holds {type(keys).__name__}."
        raise InputError([Problem("model.path", what, "Copy it from the model's page anew.")])
    return keys


def shipped_shapes() -> dict[str, Shape]:
    """Returns the shapes of all models that come with ftlab, by name."""
    shapes = {}
    for file in sorted((CONF_DIR / "model").glob("*.yaml")):
        keys = OmegaConf.to_container(OmegaConf.load(file))
        if isinstance(keys, dict) and keys.get("shape"):
            shapes[file.stem] = shape_of(keys["shape"])
    return shapes


def usual_shapes() -> dict[str, Shape]:
    """Returns those of them that a user would take."""
    return {name: shape for name, shape in shipped_shapes().items() if name != "tiny"}
