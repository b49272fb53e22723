"""Jobs of a sweep beyond this process: through submitit's executor for this machine, and through Ray."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ftlab.config.folder import CONF_DIR

JOBS = (
    "-m",
    "task=plan",
    "trainer.memory=24GB",
    "hydra.sweep.dir=sweep",
    "method=lora,qlora",
    "hydra.output_subdir=.hydra",
)


def sweep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Two plans: jobs that need neither weights nor PyTorch."""
    command = [sys.executable, "-m", "ftlab", *JOBS, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400)


def chosen_methods(folder: Path) -> list[str]:
    files = sorted((folder / "sweep").glob("*/.hydra/config.yaml"))
    return [OmegaConf.load(file).method.name for file in files]


@pytest.mark.slow
def test_two_jobs_run_through_submitit_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="ftlab[slurm] isn't installed")
    done = sweep(tmp_path, "hydra/launcher=submitit_local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert chosen_methods(tmp_path) == ["lora", "qlora"]
    logs = list((tmp_path / "sweep" / ".submitit").glob("*/*_log.out"))
    assert len(logs) == 2
    assert all("Job completed successfully" in log.read_text() for log in logs)


@pytest.mark.slow
def test_two_jobs_run_through_ray_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="ftlab[ray] isn't installed")
    remote, init = "hydra.launcher.ray.remote", "+hydra.launcher.ray.init"
    processors = (
        f"{remote}.num_gpus=0",
        f"{remote}.num_cpus=1",
        f"{init}.num_cpus=2",
        f"{init}.include_dashboard=false",
    )
    done = sweep(tmp_path, "cluster=ray", *processors)
    assert done.returncode == 0, done.stdout + done.stderr
    assert chosen_methods(tmp_path) == ["lora", "qlora"]


def test_slurm_gets_what_the_preset_says() -> None:
    slurm = pytest.importorskip("submitit.slurm.slurm", reason="ftlab[slurm] isn't installed")
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        words = ["cluster=slurm", "hydra.launcher.partition=gpu"]
        cfg = compose("config", overrides=words, return_hydra_config=True)
    assert cfg.resume == "auto"
    assert cfg.hydra.mode.name == "MULTIRUN"
    given = cfg.hydra.launcher
    own = {"submitit_folder", "_target_", "timeout_min", "tasks_per_node", "mem_gb", "name", "max_num_timeout"}
    keys = {str(key): value for key, value in given.items() if key not in own and value is not None}
    keys["additional_parameters"] = OmegaConf.to_container(given.additional_parameters)
    script = slurm._make_sbatch_string("train", Path("logs"), time=given.timeout_min, map_count=27, **keys)
    for line in (
        "--partition=gpu", "--gpus-per-node=1", "--cpus-per-task=8", "--time=480", "--signal=USR2@120", "--requeue",
        "--array=0-26%16",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in script
