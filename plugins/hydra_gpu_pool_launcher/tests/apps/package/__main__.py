"""The task is in `__main__.py` itself."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    """Writes down what a library sees that starts the job anew."""
    import __main__

    spec = __main__.__spec__
    assert spec is not None
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "seen").write_text("\n".join([spec.name, *sys.argv[1:], HydraConfig.get().run.dir]))


if __name__ == "__main__":
    main()
