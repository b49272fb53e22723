"""General rows to train on against forgetting, as `data.replay` names them; those of the embedded model by `auto`."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftlab.problem import InputError, Problem

AUTO = "auto"
FILE = "replay.jsonl"
"""Conversations of the embedded model's corpus, beside what its forgetting is measured by."""


def replay_of(cfg: DictConfig) -> Mapping[str, Any] | None:
    """Returns `data.replay` as plain data.

    Args:
        cfg: The composed configuration.

    Returns:
        The settings of the source, with the file that `path: auto` stands for; None where nothing is replayed, which
        `share: 0` says, too.

    Raises:
        InputError: `auto` knows no rows for the model.
    """
    replay = cfg.data.replay
    if replay is None:
        return None
    settings = {str(key): value for key, value in OmegaConf.to_container(replay, resolve=True).items()}  # type: ignore[union-attr]
    if settings.get("share") == 0:
        return None
    if settings.get("path") != AUTO:
        return settings
    if cfg.model.path is not None or cfg.model.weights == "random":
        what = f"must name general rows of your own with model={cfg.model.name}: only the embedded model brings some."
        raise InputError([Problem("data.replay.path", what, "Set data.replay.path=general.jsonl.")])
    file = str(files("ftlab.evaluation") / "general" / FILE)
    return {"format": "messages", **settings, "path": file}
