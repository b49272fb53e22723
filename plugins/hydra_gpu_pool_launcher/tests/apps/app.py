"""An application whose task is in `__main__`, with all that such a file registers."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

OmegaConf.register_new_resolver("twice", lambda number: 2 * number)


@dataclass
class Inner:
    """A structured configuration in `__main__`."""

    x: int = 1


@dataclass
class Config:
    """The application's."""

    kind: str = "good"
    inner: Inner = field(default_factory=Inner)
    double: int = "${twice:${inner.x}}"  # type: ignore[assignment]


ConfigStore.instance().store("config", Config)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg: DictConfig) -> float:
    """Says where it runs."""
    import tasks

    folder = Path(HydraConfig.get().runtime.output_dir)
    seen = [
        os.environ.get("CUDA_VISIBLE_DEVICES", "all"),
        os.environ.get("SET_BEFORE", ""),
        os.getcwd(),
        str(cfg.double),
    ]
    (folder / "seen").write_text("\n".join(seen))
    assert OmegaConf.get_type(cfg, "inner") is Inner
    if cfg.kind == "good":
        return float(cfg.double)
    return tasks.task(cfg)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
