"""An application that starts as soon as it is imported."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    """Does nothing."""


main()
