"""Where the model and the rows of a run come from, as their loaders take it. In: the configuration."""

from typing import Any

from omegaconf import DictConfig, OmegaConf
from transformers import PretrainedConfig

from ftlab.data.faults import Faults
from ftlab.data.source import Splits, read_splits
from ftlab.model.load import load_config
from ftlab.stage.encode import cache_folder
from ftlab.stage.replay import replay_of


def model_source(cfg: DictConfig) -> dict[str, Any]:
    """Returns where the model's files come from, as the loaders take it."""
    return {
        "path": cfg.model.path,
        "trust_remote_code": cfg.model.trust_remote_code,
        "revision": cfg.model.revision,
        "offline": cfg.offline,
    }


def read_rows(cfg: DictConfig, faults: Faults | None = None) -> Splits:
    """Reads the rows that the `data` group names.

    Args:
        cfg: The composed configuration.
        faults: Takes what is wrong with files and rows, and the rows that can be read are returned; None raises it.

    Returns:
        The rows.

    Raises:
        InputError: Something is wrong with the settings; or, without `faults`, with the files.
    """
    keys = (
        "path", "validation_path", "test_path", "file_format", "hub_id", "hub_config", "hub_split",
        "validation_fraction", "train_share", "split_seed", "prompt", "mix",
    )  # fmt: skip
    return read_splits(
        row_format=cfg.data.format,
        columns=plain(cfg.data.columns),
        replay=replay_of(cfg),
        cache=cache_folder(cfg),
        faults=faults,
        **{key: plain(cfg.data[key]) for key in keys},
    )


def load_model_config(cfg: DictConfig) -> PretrainedConfig:
    """Loads the model's Transformers config, which holds no weights.

    Raises:
        InputError: It can't be reached.
    """
    return load_config(**model_source(cfg), weights=cfg.model.weights, shape=plain(cfg.model.shape))


def plain(node: Any) -> Any:
    """Returns a node as resolved plain data, and anything else as it is."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
