"""The sweeps that are ready to run: each stands for the jobs that it promises, and each of those is sound."""

import re
from itertools import product
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from ftlab.config import target, validate
from ftlab.config.compose import check
from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from tests.config.composition import choices, composed

ABLATIONS = {
    "methods": {"method": "full freeze lora qlora", "training.lr_factor": "0.3 1 3"},
    "rank": {"method.r": "4 8 16 32 64"},
    "targets": {"method.target_modules": "[q_proj,v_proj] all-linear", "method.r": "16 96"},
    "quantization": {"quantization": "none int8 nf4-single nf4 fp4"},
    "learning-rate": {"training.lr_factor": "0.1 0.3 1 3 10"},
    "data-size": {"data.train_share": "0.125 0.25 0.5 1"},
    "replay": {"data.replay.share": "0 0.1 0.3"},
}
REAL = {"replay": ["data.replay.path=general.jsonl"]}


def hydra_of(ablation: str) -> DictConfig:
    with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
        return compose("config", overrides=[f"ablation={ablation}"], return_hydra_config=True).hydra


def jobs_of(params: dict[str, str]) -> list[tuple[str, ...]]:
    """What the sweeper makes of its parameters."""
    parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in params.items()])
    values = [[f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()] for one in parsed]
    return list(product(*values))


def test_there_is_one_for_each_question() -> None:
    assert choices("ablation") == sorted(ABLATIONS)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablation_stands_for_its_jobs(ablation: str) -> None:
    hydra = hydra_of(ablation)
    assert hydra.mode == RunMode.MULTIRUN, "-m may be left out"
    assert hydra.runtime.choices["hydra/launcher"] == "gpu_pool"
    expected = [[f"{key}={value}" for value in values.split()] for key, values in ABLATIONS[ablation].items()]
    jobs = jobs_of(hydra.sweeper.params)
    assert jobs == list(product(*expected))
    head = (CONF_DIR / "ablation" / f"{ablation}.yaml").read_text().splitlines()[1]
    assert int(re.search(r"(\d+) jobs", head)[1]) == len(jobs)  # type: ignore[index]
    real = ("model=llama3-8b", "data.path=mine.jsonl", *REAL.get(ablation, []))
    for job in (jobs[0], jobs[-1], (*jobs[-1], *real)):
        cfg = composed(f"ablation={ablation}", *job, "output_dir=runs/x")
        assert validate.check(cfg) == []
        assert target.check(cfg) == []


def test_sweeps_own_values_are_checked_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "conf" / "ablation"
    folder.mkdir(parents=True)
    text = "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {method: 'full,lroa'}}}\n"
    (folder / "mine.yaml").write_text(text)
    (fault,) = check(["ablation=mine"])
    assert "method=lora" in str(fault)


def test_adapters_scale_stays_as_the_rank_grows() -> None:
    for rank in (4, 64):
        method = composed("ablation=rank", f"method.r={rank}").method
        assert (method.lora_alpha, type(method.lora_alpha)) == (2 * rank, int)


def test_what_is_typed_wins_over_the_ablation() -> None:
    assert composed("ablation=methods", "training.epochs=3").training.epochs == 3
    assert check(["ablation=rank", "method.r=8"]) == []
