"""Stands for a training: the loss falls with a speed that lr decides, and some rates are hopeless early.

python my_app.py -m
"""

import math

import hydra
from omegaconf import DictConfig

from hydra_plugins.hydra_ftlab_optuna.trial import report


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(cfg: DictConfig) -> float:
    loss = 4.0
    for epoch in range(cfg.epochs):
        loss *= 0.4 + abs(math.log10(cfg.lr) + 1) / 3  # 0.1 is best
        if report(loss, step=epoch):
            break
    return loss


if __name__ == "__main__":
    main()
