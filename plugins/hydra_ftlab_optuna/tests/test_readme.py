"""The README names every option with its default."""

from dataclasses import fields
from pathlib import Path

from omegaconf import OmegaConf

from hydra_plugins.hydra_ftlab_optuna.config import OptunaSweeperConf


def test_every_option_stands_in_the_readme_with_its_default() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = {
        row.split("|")[1]: row.split("|")[2]
        for row in text.splitlines()
        if row.startswith("| `") and row.count("|") == 4
    }
    values = OmegaConf.to_container(OmegaConf.structured(OptunaSweeperConf))
    for entry in fields(OptunaSweeperConf):
        if entry.name != "_target_":
            (default,) = [found for names, found in rows.items() if f"`{entry.name}`" in names]
            value = values[entry.name]
            shown = "null" if value is None else "{}" if value == {} else str(value)
            assert f"`{shown}`" in default, entry.name
