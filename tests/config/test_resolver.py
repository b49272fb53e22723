from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ftlab.config import resolver
from ftlab.config.folder import CONF_DIR, conf_dir


def test_product_reads_well() -> None:
    assert resolver.times(2e-4, 10.0) == 0.002
    assert resolver.times(2e-4, 10.0, 0.2) == 0.0004
    assert (resolver.times(2, 16), type(resolver.times(2, 16))) == (32, int)


def test_resolver_is_known_to_yaml() -> None:
    cfg = OmegaConf.create({"a": 2e-4, "b": 3, "c": "${ftlab.times:${a},${b}}"})
    assert cfg.c == pytest.approx(6e-4)


def test_every_group_of_the_folder_is_described() -> None:
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()} - {"hydra"}
    assert groups == set(resolver.GROUPS)


def test_conf_inside_the_package_comes_first(tmp_path: Path) -> None:
    package = tmp_path / "ftlab"
    package.mkdir()
    assert conf_dir(package) == tmp_path / "conf"
    (package / "conf").mkdir()
    assert conf_dir(package) == package / "conf"
