"""Stands for a training: `python my_app.py -m lr=0.1,0.01 batch=16,32`."""

import time

import hydra
from omegaconf import DictConfig

from hydra_plugins.hydra_gpu_pool_launcher.progress import report


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(cfg: DictConfig) -> float:
    """Makes a loss smaller; too high a learning rate fails."""
    loss = 4.0
    for epoch in range(cfg.epochs):
        time.sleep(cfg.seconds)
        loss *= 1 - cfg.lr
        if cfg.lr > 1:
            raise ValueError(f"the loss is {loss:.3f}: lr={cfg.lr} is too high")
        report(step=epoch + 1, steps=cfg.epochs, loss=loss)
    return loss


if __name__ == "__main__":
    main()
