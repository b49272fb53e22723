"""The plugin as Hydra sees it: alone, and in whole applications started from other folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from ftlab.config.folder import CONF_DIR
from hydra_plugins.hydra_ftlab_searchpath.searchpath import FtlabSearchPath

EXAMPLE = Path(__file__).parents[1] / "example"


def search_path(main: str) -> ConfigSearchPathImpl:
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    path.append("main", main)
    path.append("schema", "structured://")
    return path


def providers(main: str) -> list[str]:
    path = search_path(main)
    FtlabSearchPath().manipulate_search_path(path)
    return [element.provider for element in path.get_path()]


def run(folder: Path, *command: str, python_path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PYTHONPATH=str(python_path or ""))
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def make_pack(folder: Path, *, with_choice: str = "data/tickets.yaml") -> Path:
    """An installed package with an entry point, as pip would leave it."""
    package = folder / "acme_ftlab" / "conf"
    choice = package / with_choice
    choice.parent.mkdir(parents=True)
    (folder / "acme_ftlab" / "__init__.py").touch()
    (package / "__init__.py").touch()
    choice.write_text("defaults: [messages, _self_]\nname: tickets\npath: tickets.jsonl\n", encoding="utf-8")
    info = folder / "acme_ftlab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ftlab\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[ftlab.conf]\nacme = acme_ftlab.conf\n", encoding="utf-8")
    return folder


def test_plugin_is_discovered() -> None:
    assert "FtlabSearchPath" in [plugin.__name__ for plugin in Plugins.instance().discover(SearchPathPlugin)]


def test_namespace_package_has_no_init() -> None:
    assert not (EXAMPLE.parent / "hydra_plugins" / "__init__.py").exists()


@pytest.mark.parametrize("main", [str(CONF_DIR), f"file://{CONF_DIR}"])
def test_overlay_comes_before_the_shipped_folder(main: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    assert providers(main) == ["hydra", "ftlab-overlay", "main", "schema"]


def test_nothing_is_added_without_a_conf_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "schema"]


def test_nothing_is_added_beside_the_shipped_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONF_DIR.parent)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "schema"]


@pytest.mark.parametrize("main", ["pkg://other.conf", "/somewhere/conf", "file:///somewhere/conf", ""])
def test_other_applications_are_left_alone(main: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    assert providers(main) == ["hydra", "main", "schema"]


def test_folder_of_another_application_is_left_out_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("defaults:\n  - db: mysql\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "schema"]
    assert "belongs to another application" in capsys.readouterr().err


def test_copy_of_the_shipped_primary_config_is_an_overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text((CONF_DIR / "config.yaml").read_text(encoding="utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    assert "ftlab-overlay" in providers(str(CONF_DIR))


def test_missing_working_directory_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "schema"]


def test_pack_comes_behind_the_shipped_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(make_pack(tmp_path)))
    monkeypatch.chdir(tmp_path)
    for name in ("acme_ftlab", "acme_ftlab.conf"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "ftlab-pack", "schema"]


def test_what_is_left_out_is_said_once_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("a: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    providers(str(CONF_DIR))
    providers(str(CONF_DIR))
    assert capsys.readouterr().err.count("belongs to another application") == 1


@pytest.mark.parametrize(
    ("init", "reason"),
    [(None, "ModuleNotFoundError: No module named 'acme_ftlab'"), ("raise RuntimeError('old')", "RuntimeError: old")],
)
def test_pack_that_cannot_be_imported_is_left_out_with_a_word(
    init: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = make_pack(tmp_path)
    (pack / "acme_ftlab" / "__init__.py").write_text(init or "", encoding="utf-8")
    if init is None:
        (pack / "acme_ftlab").rename(pack / "gone")
    monkeypatch.syspath_prepend(str(pack))
    monkeypatch.chdir(tmp_path)
    for name in ("acme_ftlab", "acme_ftlab.conf"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert providers(str(CONF_DIR)) == ["hydra", "main", "schema"]
    said = capsys.readouterr().err
    assert f"The installed pack 'acme' is left out: acme_ftlab.conf can't be imported ({reason}). Reinstall" in said


def test_example_composes_from_its_folder() -> None:
    done = run(EXAMPLE, "-m", "ftlab", "--cfg", "job", "model=qwen3-8b-frozen", "experiment=house-style")
    assert done.returncode == 0, done.stderr
    assert "path: /models/qwen3-8b" in done.stdout
    assert "epochs: 2" in done.stdout


def test_overlay_replaces_a_shipped_choice(tmp_path: Path) -> None:
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "train.yaml").write_text("name: mine\n", encoding="utf-8")
    done = run(tmp_path, "-m", "ftlab", "--cfg", "job", "--package", "task")
    assert "name: mine" in done.stdout, done.stderr


def test_pack_adds_a_choice_that_help_lists(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "site")
    done = run(tmp_path, "-m", "ftlab", "--cfg", "job", "--package", "data", "data=tickets", python_path=pack)
    assert "path: tickets.jsonl" in done.stdout, done.stderr
    assert "tickets" in run(tmp_path, "-m", "ftlab", "--help", python_path=pack).stdout


def test_shipped_choice_wins_over_a_pack(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "site", with_choice="data/demo.yaml")
    done = run(tmp_path, "-m", "ftlab", "--cfg", "job", "--package", "data", python_path=pack)
    assert "name: demo" in done.stdout, done.stderr


def test_other_application_does_not_import_ftlab(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("a: 1\n", encoding="utf-8")
    (tmp_path / "app.py").write_text(
        "import sys, hydra\n"
        "@hydra.main(version_base='1.3', config_path='conf', config_name='config')\n"
        "def main(cfg): print(cfg.a, 'ftlab' in sys.modules, 'torch' in sys.modules)\n"
        "main()\n",
        encoding="utf-8",
    )
    done = run(tmp_path, "app.py", "hydra.run.dir=.", "hydra.output_subdir=null")
    assert done.stdout.split() == ["1", "False", "False"], done.stderr
