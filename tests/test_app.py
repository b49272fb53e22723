"""The command line from outside: exit codes, messages, folders, speed, and what must not be imported."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

FAKE_TASK = """
import importlib.machinery, logging, sys, types
module = types.ModuleType("ftlab.task.train")
module.__spec__ = importlib.machinery.ModuleSpec("ftlab.task.train", None)
def run(cfg):
    assert "torch" not in sys.modules, "torch was imported before the task asked for it"
    from ftlab.problem import InputError, Problem
    logging.getLogger("a.task").info("method %s, seed %s", cfg.method.name, cfg.seed)
    if cfg.seed == 7:
        raise RuntimeError("the run broke")
    if cfg.seed == 6:
        from ftlab.problem import RunEnded
        raise RunEnded("Out of memory with a single row. Set method=qlora.")
    if cfg.seed == 8:
        raise KeyboardInterrupt
    if cfg.seed == 9:
        raise InputError([Problem("rows.jsonl:3", "must be JSON.", "Mend it."), Problem("data.path", "is odd [b].")])
    return 1.5
module.run = run
sys.modules["ftlab.task.train"] = module
from ftlab.app import main
main()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m ftlab` with a task that only does what its seed says."""
    return start(folder, "-c", FAKE_TASK, *arguments)


def start(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def processor_time() -> float:
    """Seconds that child processes have computed so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_run_ends_with_zero_and_leaves_its_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "method=lora")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "method lora, seed 1\n"
    (folder,) = tmp_path.glob("runs/*/*")
    assert folder.name.endswith("-train-tiny-lora")
    assert (folder / ".hydra" / "config.yaml").is_file()
    assert "a.task: method lora" in (folder / "ftlab.log").read_text(encoding="utf-8")


def test_failed_run_ends_with_one_and_shows_its_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "seed=7")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: the run broke")
    assert "HYDRA_FULL_ERROR" not in done.stderr


def test_run_that_ends_for_a_known_reason_says_it_without_a_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "seed=6")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.rstrip().endswith("The run ended: Out of memory with a single row. Set method=qlora.")


def test_interrupted_run_ends_with_130(tmp_path: Path) -> None:
    assert run(tmp_path, "seed=8").returncode == 130


def test_input_error_of_the_task_ends_with_two_and_lists_everything(tmp_path: Path) -> None:
    done = run(tmp_path, "seed=9")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "ftlab found 2 problems in its input:",
        "  rows.jsonl:3: must be JSON.",
        "    Mend it.",
        "  data.path: is odd [b].",
    ]


def test_bad_configuration_ends_with_two_before_a_folder_is_made(tmp_path: Path) -> None:
    done = run(tmp_path, "model=lama3-8b", "training.epoch=2", "+seeed=3", "optimizer.lr=-1")
    assert done.returncode == 2
    assert done.stderr.startswith("ftlab found 4 problems in its input:")
    assert "Did you mean model=llama3-8b?" in done.stderr
    assert "Did you mean `training.epochs`?" in done.stderr
    assert "Did you mean `seed`?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_secret_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    token = "hf_" + "x" * 34
    done = run(tmp_path, f"+model.token={token}")
    assert done.returncode == 2
    assert token not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_failing_jobs_of_a_multirun_leave_the_others_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "seed=1,7,9,2")
    assert done.returncode == 1
    for seed in (1, 7, 9, 2):
        assert f"method qlora, seed {seed}" in done.stderr
    assert "RuntimeError: the run broke" in done.stderr
    assert "rows.jsonl:3: must be JSON." in done.stderr
    assert "2 of the jobs failed, see above." in done.stderr
    names = ["0-qlora-s1", "1-qlora-s7", "2-qlora-s9", "3-qlora-s2"]
    assert sorted(path.name for path in tmp_path.glob("multirun/*/*/*-qlora-*")) == names


def test_ablation_is_a_multirun_by_itself_on_the_launcher_that_is_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "ablation=data-size", "data.train_share=0.5,1", "hydra/launcher=basic", "seed=2")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.glob("multirun/*/*/[0-9]-*"))
    assert names == ["0-qlora-train_share0.5", "1-qlora-train_share1"]
    alone = run(tmp_path, "ablation=data-size", "data.train_share=0.5", "hydra.mode=RUN")
    assert (alone.returncode, len(list(tmp_path.glob("runs/*/*")))) == (0, 1), alone.stderr


def test_multirun_whose_failures_are_all_input_ends_with_two(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "method=full,lora", "quantization=nf4")
    assert done.returncode == 2
    assert "quantization: must be none with method=full" in done.stderr
    assert "method lora, seed 1" in done.stderr


def test_interrupt_ends_a_multirun_as_a_whole(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "seed=8,1")
    assert done.returncode == 130
    assert "seed 1" not in done.stderr


def test_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path, "hydra.run.dir=file/run")
    assert done.returncode == 2
    assert "hydra.run.dir: must be a folder that can be written" in done.stderr


def test_mistyped_choice_beside_cfg_is_explained(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "ftlab", "--cfg", "job", "model=lama3-8b")
    assert done.returncode == 2
    assert "Did you mean model=llama3-8b?" in done.stderr


def test_help_reads_well_and_lists_every_group(tmp_path: Path) -> None:
    done = start(tmp_path, "-m", "ftlab", "--help")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stdout.count("\n  python -m ftlab") >= 5
    assert "tiny*" in done.stdout
    for group in ("task", "model", "quantization", "method", "data", "training", "optimizer", "experiment"):
        assert f"\n  {group} " in done.stdout


def test_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    pipeline = f"{sys.executable} -u -m ftlab --help | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", pipeline], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("flags", [["--help"], ["--cfg", "job"]])
def test_looking_is_quick_and_imports_nothing_heavy(flags: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ftlab.app import main\n"
        "try: main()\n"
        "finally:\n"
        "    heavy = {'torch', 'transformers', 'lightning', 'peft', 'datasets', 'wandb'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    assert start(tmp_path, "-c", code, *flags).returncode == 0  # writes bytecode, where there is none yet
    before = processor_time()
    done = start(tmp_path, "-c", code, *flags)
    assert done.returncode == 0, done.stderr
    assert processor_time() - before < 1.5  # seconds of one idle core, however busy this machine is
    assert list(tmp_path.iterdir()) == []
