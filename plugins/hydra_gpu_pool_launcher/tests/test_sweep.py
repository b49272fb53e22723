"""What becomes of a sweep's jobs: each ends for itself, is told, retried, and run again only if it must."""

import json
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.utils import JobStatus

from hydra_plugins.hydra_gpu_pool_launcher import JobFailed, OptionError, SweepStopped

Sweepers = Callable[..., object]


def test_each_job_ends_for_itself_and_is_told(sweeper: Sweepers, capfd: pytest.CaptureFixture[str]) -> None:
    sweep = sweeper("hydra.launcher.cpu_slots=2", "hydra.launcher.retries=1", "hydra.launcher.again=['resume=auto']")
    results = sweep.launch(
        "kind=raises", "kind=killed", "kind=exits", "kind=odd", "kind=flaky", "kind=good", "kind=lock"
    )
    raises, killed, exits, odd, flaky, good, unsendable = results
    with pytest.raises(ValueError, match="no such luck") as raised:
        _ = raises.return_value
    assert "tasks.py" in "".join(traceback.format_exception(raised.value)), "the job's own traceback comes along"
    for result, text in ((killed, "killed by SIGKILL"), (exits, r"sys.exit\(7\)")):
        with pytest.raises(JobFailed, match=text):
            _ = result.return_value
    with pytest.raises(RuntimeError, match="Odd: 1 and 2"):  # its class doesn't survive; Hydra 1.4 sees to that itself
        _ = odd.return_value
    assert good.return_value == 1.5
    assert good.cfg.kind == "good"
    assert Path(good.working_dir) == Path.cwd()
    assert flaky.return_value == "auto", "a job that begins again gets the further overrides"
    assert unsendable.return_value is None

    record = sweep.record
    assert record["status"] == "failed"
    assert record["counts"] == {"failed": 4, "done": 3}
    assert [job["exit"] for job in record["jobs"]] == ["1", "SIGKILL", "1", "1", "0", "0", "0"]
    assert [job["attempts"] for job in record["jobs"]] == [2, 2, 2, 2, 2, 1, 1]
    assert sweep.job("kind=good")["returned"] == 1.5
    assert sweep.job("kind=good")["progress"] == {"step": 3, "steps": 4, "loss": 0.5, "memory_bytes": 2_000_000_000}
    assert "no such luck" in sweep.job("kind=raises")["traceback"]
    assert "hydra/core" not in sweep.job("kind=raises")["traceback"], "it begins in the task"
    log = (sweep.folder / sweep.job("kind=killed")["log"]).read_text()
    assert log.splitlines() == ["this is killed", "this is killed"], "one for each attempt"
    (overrides,) = (sweep.folder / "4" / ".hydra").glob("overrides.yaml")
    assert overrides.read_text() == "- kind=flaky\n- resume=auto\n"

    output = capfd.readouterr().out
    assert "ValueError: no such luck (it is started again)" in output
    assert "  | ValueError: no such luck\n  log: " in output
    assert "  | this is killed\n  log: " in output, "the end of its output, where there is no traceback"
    assert "loss 0.5, returned 1.5" in output
    assert "Run only what is missing: python app.py" in output


def test_resumed_sweep_runs_only_what_is_missing(
    sweeper: Sweepers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    first = sweeper("hydra.launcher.cpu_slots=3")
    first.launch("kind=good x=nan", "kind=raises", "kind=fine")
    began = first.job("kind=good")["started"]
    (tmp_path / "sweep" / "2").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("MENDED", "1")
    again = sweeper("hydra.launcher.skip_done=true", "hydra.launcher.again=['resume=auto']")
    results = again.launch("kind=later", "kind=fine", "kind=raises", "x=nan kind=good")
    assert [result.return_value for result in results][:3] == [1.5, 1.5, 1.5]
    assert str(results[3].return_value) == "nan"
    assert results[3].cfg.kind == "good"
    assert results[3].status == JobStatus.COMPLETED
    assert again.nums() == {"x=nan kind=good": 0, "kind=raises": 1, "kind=fine": 2, "kind=later": 3}
    assert again.job("kind=good")["started"] == began, "a done job isn't run"
    assert again.record["counts"] == {"done": 4}
    argv = {num: (again.folder / str(num) / "argv").read_text() for num in (1, 2, 3)}
    assert "resume=auto" in argv[1]
    assert "resume=auto" not in argv[3]
    assert "#0 x=nan kind=good: done before" in capfd.readouterr().out

    config = tmp_path / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("other: 1", "other: 2"))
    changed = sweeper("hydra.launcher.skip_done=true")
    changed.launch("kind=good x=nan")
    assert [job["num"] for job in changed.record["jobs"] if "kind=good" in job["overrides"]] == [0, 4]
    assert "#0 was done with the same overrides but another configuration" in capfd.readouterr().out


def test_fail_fast_ends_what_runs_and_starts_nothing_more(sweeper: Sweepers) -> None:
    sweep = sweeper("hydra.launcher.cpu_slots=2", "hydra.launcher.fail_fast=true")
    with pytest.raises(SweepStopped, match="fail_fast") as stopped:
        sweep.launch("kind=waits", "kind=raises", "kind=good")
    assert [str(error) for error in stopped.value.sweep_failures] == ["no such luck"]
    assert sweep.record["status"] == "stopped"
    assert [job["status"] for job in sweep.record["jobs"]] == ["interrupted", "failed", "not started"]


def test_max_failures_counts_over_the_batches_of_a_sweeper(sweeper: Sweepers) -> None:
    sweep = sweeper("hydra.launcher.max_failures=1")
    first = sweep.launch("kind=raises", "kind=good")
    assert [result.status for result in first] == [JobStatus.FAILED, JobStatus.COMPLETED]
    with pytest.raises(SweepStopped, match="max_failures=1: 2 jobs failed"):
        sweep.launch("kind=good", "kind=odd", "kind=later", first=2)  # the same point twice is a job of its own
    assert [job["num"] for job in sweep.record["jobs"]] == [0, 1, 2, 3, 4]
    assert [job["status"] for job in sweep.record["jobs"]] == ["failed", "done", "done", "failed", "not started"]


def test_job_that_cannot_start_fails_alone(sweeper: Sweepers) -> None:
    sweep = sweeper("hydra.sweep.subdir=${kind}")
    bad_key, good, same_folder = sweep.launch("kind=odd nonsense=1", "kind=good", "kind=good x=2")
    with pytest.raises(Exception, match="nonsense"):
        _ = bad_key.return_value
    assert good.return_value == 1.5
    with pytest.raises(ValueError, match=r"`hydra\.sweep\.subdir` must name another folder for each job"):
        _ = same_folder.return_value


def test_env_set_must_leave_the_devices_alone(sweeper: Sweepers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (result,) = sweeper("+hydra.job.env_set.CUDA_VISIBLE_DEVICES=3").launch("kind=good")
    with pytest.raises(ValueError, match="must not set CUDA_VISIBLE_DEVICES"):
        _ = result.return_value


def test_wrong_options_are_told_at_once_and_nothing_starts(sweeper: Sweepers, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as raised:
        sweeper("hydra.launcher.retries=-1", "hydra.launcher.cpu_slots=0").launch("kind=good")
    assert str(raised.value).splitlines() == [
        "`hydra.launcher.cpu_slots` must be at least 1, but is 0.",
        "`hydra.launcher.retries` must be at least 0, but is -1.",
    ]
    assert not (tmp_path / "sweep").exists()


def test_unreadable_record_is_refused(sweeper: Sweepers, tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({"version": 1, "started": "x", "jobs": [{"num": 1}]}))
    with pytest.raises(OptionError, match=r"sweep.json must tell which jobs are done, but can't be read"):
        sweeper("hydra.launcher.skip_done=true").launch("kind=good")


def test_folder_of_a_running_sweep_is_refused(sweeper: Sweepers, tmp_path: Path) -> None:
    from hydra_plugins.hydra_gpu_pool_launcher._record import alone

    (tmp_path / "sweep").mkdir()
    with alone(tmp_path / "sweep"), pytest.raises(OptionError, match="in use"):
        sweeper().launch("kind=good")


def test_task_without_a_name_keeps_its_file() -> None:
    import pickle

    from hydra_plugins.hydra_gpu_pool_launcher._send import dumps

    task = pickle.loads(dumps(lambda cfg: cfg))
    assert task.__code__.co_filename == __file__


def test_task_without_a_name_needs_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from hydra_plugins.hydra_gpu_pool_launcher._send import pack

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(OptionError, match="install cloudpickle"):
        pack(None, lambda cfg: cfg)  # type: ignore[arg-type]
