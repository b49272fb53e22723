"""What jobs are called."""

import re

import pytest
from omegaconf import OmegaConf

from ftlab.config.name import LONGEST_BYTES, SweptKeys, fixed_keys, job_name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["method=qlora", "optimizer.lr=2e-4", "seed=1"], "qlora-lr2e-4-s1"),
        (["seed=1", "method=lora-plus"], "lora-plus-s1"),
        (["method=lora", "training.lr_factor=0.3"], "lora-lr2e-4"),
        (["method.r=16", "quantization=nf4-single"], "qlora-nf4-single-r16"),
        (["model=Qwen/Qwen3-8B", "data.train_share=0.125"], "Qwen-Qwen3-8B-qlora-train_share0.125"),
        (["method.target_modules=[q_proj,v_proj]"], "qlora-target_modules-q_proj+v_proj"),
        (["data.replay={path: a/b.jsonl, share: 0.1}"], "qlora-replay-path-a-b.jsonl+share-0.1"),
        (["training.epochs=1e1", "data.path=null"], "qlora-epochs10-path-null"),
        (["data.replay.path=a", "data.path=b"], "qlora-data.replay.path-a-data.path-b"),
        (["data.path='../../etc'"], "qlora-path-etc"),
        (["resume=auto", "seed=1"], "qlora-s1"),
        (["data.path='数据.jsonl'"], "qlora-path-数据.jsonl"),
        ([], "qlora"),
    ],
)
def test_name_reads(overrides: list[str], name: str) -> None:
    assert job_name("qlora", 2e-4, overrides, []) == name


def test_key_that_all_jobs_share_is_left_out() -> None:
    assert job_name("lora", 1e-4, ["method=lora", "data.path=a.jsonl", "seed=2"], ["data.path"]) == "lora-s2"


@pytest.mark.parametrize("letter", ["a", "据"])
def test_long_names_stay_short_and_apart(letter: str) -> None:
    names = {job_name("lora", 1e-4, [f"data.path='{letter * 150}{end}'"], []) for end in "xy"}
    assert len(names) == 2
    assert all(len(name.encode()) <= LONGEST_BYTES for name in names)
    assert all(re.fullmatch(r"[\w.+=-]+", name) for name in names)


def test_only_what_is_swept_tells_jobs_apart() -> None:
    typed = [
        "method=full,lora",
        "seed=1,2",
        "training.epochs=1",
        "seed=3",
        "optimizer.lr=interval(1,2)",
        "+x=range(1,3)",
    ]
    assert fixed_keys(typed) == ["seed", "training.epochs"]


def test_every_job_is_told_what_all_have_in_common() -> None:
    hydra = {
        "sweeper": {"params": {"method": "full,lora", "seed": "1,2"}},
        "job": {"config": {"override_dirname": {"exclude_keys": ["mine"]}}},
        "overrides": {"task": ["seed=3", "ablation=methods"], "hydra": ["hydra.mode=MULTIRUN"]},
    }
    config = OmegaConf.create({"hydra": hydra})
    OmegaConf.set_readonly(config.hydra, True)
    SweptKeys().on_multirun_start(config)
    key = "hydra.job.config.override_dirname.exclude_keys"
    assert list(config.hydra.overrides.hydra) == ["hydra.mode=MULTIRUN", f"{key}=['mine','seed','ablation']"]
