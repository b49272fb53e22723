"""A search's job: each trial's loss falls at a speed that `x` decides; `kind` says what else it does."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hydra_plugins.hydra_ftlab_optuna.trial import report


def task(cfg: DictConfig) -> float | None:
    number = HydraConfig.get().job.num
    if cfg.kind == "none":
        return None
    if cfg.kind == "fails" and number % 2:
        raise ValueError(f"trial {number} broke")
    mark = Path(HydraConfig.get().sweep.dir, "interrupted")
    if cfg.kind == "interrupts" and number == 1 and not mark.exists():
        mark.touch()
        raise KeyboardInterrupt
    loss = 10.0
    for step in range(4):
        loss -= 1 - (cfg.x - 0.5) ** 2
        if report(loss, step):
            Path(HydraConfig.get().runtime.output_dir, "ended_early").write_text(str(step))
            break
    return loss


@hydra.main(config_path=None, **({"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}))
def main(cfg: DictConfig) -> float | None:
    return task(cfg)


if __name__ == "__main__":
    main()
