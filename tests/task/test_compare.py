"""The task as the command line calls it, on a test that is sealed already: pages, score, and what it prints."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, flag_override

from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from ftlab.evaluation.blind.store import RatingStore
from ftlab.task import compare
from tests.reference.made_trial import keep, made_trial, two_arms, vote


def _run(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
        cfg = compose("config", ["task=compare", "logger=none", *overrides], return_hydra_config=True)
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.masked_copy(cfg, "hydra"))
    with flag_override(cfg, ["struct", "readonly"], [False, False]):
        del cfg["hydra"]
    compare.run(cfg)


def test_a_sealed_test_is_rated_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    trial = two_arms(tmp_path / "test")
    _run(monkeypatch, f"compare.folder={trial.folder}", "compare.raters=[anna,ben]")
    assert sorted(path.name for path in (trial.folder / "pages").iterdir()) == ["rate-anna.html", "rate-ben.html"]
    assert "compare.action=score" in capsys.readouterr().out
    store = RatingStore(trial.folder / "ratings.sqlite")
    for one in vote(trial, "anna", lambda left, right: "tuned"):
        keep(store, one)
    _run(monkeypatch, f"compare.folder={trial.folder}", "compare.action=score")
    said = capsys.readouterr().out
    assert "tuned is better than base." in said
    assert "ben has rated nothing." in said
    assert (trial.folder / "result.html").is_file()


def test_arms_that_answer_alike_leave_nothing_to_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    made_trial(tmp_path, {"base": ["a", "b"], "tuned": ["a", "b"]})
    _run(monkeypatch, f"compare.folder={tmp_path}", "compare.serve=true")
    said = capsys.readouterr().out
    assert "There is nothing to rate: the arms answer every question alike." in said
    assert "compare.serve" not in said
    assert not (tmp_path / "pages").exists()
    _run(monkeypatch, f"compare.folder={tmp_path}", "compare.action=score")
    assert "tied 2 and lost 0 of 2 items" in capsys.readouterr().out
