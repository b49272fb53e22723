"""Whatever a sweep left is read, and every job that was asked for is told of."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftlab.report.sweep.read import Job, canonical, identity, join, read_sweep
from tests.reference.made_sweep import made_card, made_job, made_multirun, made_pool, made_values


def card(overrides: dict[str, str], **sections: Any) -> dict[str, Any]:
    return made_card(overrides, made_values(0.3), **sections)


def by_number(folder: Path) -> dict[int | None, Job]:
    return {job.number: job for job in read_sweep(folder).jobs}


def test_done_job_has_its_numbers(tmp_path: Path) -> None:
    overrides = {"method": "lora", "seed": "2"}
    made_job(tmp_path, 0, overrides, made_card(overrides, made_values(0.3, wall_s=90.0, peak_bytes=5e9)))
    (job,) = read_sweep(tmp_path).jobs
    assert (job.status, job.error, job.overrides) == ("done", "", overrides)
    assert job.values["loss"] == 0.3
    assert job.values["val_loss"] == 0.31
    assert job.values["forgetting"] == pytest.approx(1.5 - 0.03 - 0.6)
    assert (job.values["wall_s"], job.values["peak_bytes"]) == (90.0, 5e9)


def test_missing_jobs_are_those_hydra_would_have_run(tmp_path: Path) -> None:
    made_multirun(tmp_path, "method=lora,qlora", "seed=1,2", params={"optimizer.lr": "1e-4,2e-4", "seed": "7"})
    made_job(tmp_path, 0, first := {"optimizer.lr": "0.0001", "seed": "1", "method": "lora"}, card(first))
    jobs = by_number(tmp_path)
    assert len(jobs) == 8
    assert [job.status for job in jobs.values()].count("missing") == 7
    assert jobs[0].status == "done"
    last = jobs[7]
    assert last.overrides == {"optimizer.lr": "0.0002", "seed": "2", "method": "qlora"}
    assert (last.folder, last.name, last.error) == (None, "#7", "it was never started")


def test_job_in_progress_says_when_it_was_last_seen(tmp_path: Path) -> None:
    made_job(tmp_path, 0, {"seed": "1"}, card({"seed": "1"}, status="running", metrics={}))
    (job,) = read_sweep(tmp_path).jobs
    assert job.status == "running"
    assert "running, or was killed; last sign less than 2 min ago" in job.error


def test_reason_is_the_cards_else_the_launchers_else_what_the_job_left(tmp_path: Path) -> None:
    for number, sections in enumerate(
        ({"status": "interrupted", "error": "Interrupted: Ctrl-C"}, {"status": "running"})
    ):
        seed = {"seed": str(number)}
        made_job(tmp_path, number, seed, card(seed, **sections, metrics={}))
    left = made_job(tmp_path, 2, {"seed": "2"}, None)
    (left / "error.txt").write_text("InputError: method: must fit.\n")
    made_job(tmp_path, 3, {"seed": "3"}, None)
    made_pool(tmp_path, [
        {"num": 1, "overrides": ["seed=1"], "status": "failed", "error": "killed by SIGKILL", "folder": "1-qlora"},
        {"num": 4, "overrides": ["seed=4"], "status": "waiting"},
        {"num": 5, "overrides": ["seed=5"], "status": "failed", "error": "fail_fast"},
        {"num": 6, "overrides": ["seed=6"], "status": "done", "folder": "6-qlora"},
    ])  # fmt: skip
    found = {number: (job.status, job.error) for number, job in by_number(tmp_path).items()}
    assert found[1] == ("failed", "killed by SIGKILL")
    assert found[4] == ("missing", "it was never started")
    assert found[5] == ("failed", "fail_fast")
    assert found[6] == ("missing", "its folder is gone")
    others = {job.name: (job.status, job.error) for job in read_sweep(tmp_path).jobs}
    assert others["0-qlora"] == ("interrupted", "Interrupted: Ctrl-C")
    assert others["2-qlora"] == ("failed", "InputError: method: must fit.")
    assert others["3-qlora"][0] == "failed"
    assert "no run.json" in others["3-qlora"][1]


def test_pruned_job_is_called_so(tmp_path: Path) -> None:
    pruned = {"status": "pruned", "pruned": {"reason": "worse than the median at step 20"}}
    made_job(tmp_path, 0, {"seed": "1"}, card({"seed": "1"}, **pruned))
    (job,) = read_sweep(tmp_path).jobs
    assert (job.status, job.error) == ("pruned", "worse than the median at step 20")


def test_job_that_the_launcher_numbered_anew_is_found_by_its_folder(tmp_path: Path) -> None:
    made_multirun(tmp_path, "seed=1,2")
    made_job(tmp_path, 5, {"seed": "1"}, card({"seed": "1"}))
    made_pool(tmp_path, [{"num": 5, "overrides": ["seed=1"], "status": "done", "folder": "5-qlora"}])
    assert {job.number: job.status for job in read_sweep(tmp_path).jobs} == {0: "missing", 5: "done"}


@pytest.mark.parametrize("content", ['{"format": 1, "sta', "[1]", '{"format": 1, "status": "done", "metrics": [1]}'])
def test_broken_card_is_noted_and_counts_as_failed(tmp_path: Path, content: str) -> None:
    folder = made_job(tmp_path, 0, {"seed": "1"}, card({"seed": "1"}))
    (folder / "run.json").write_text(content)
    made_job(tmp_path, 1, {"seed": "2"}, card({"seed": "2"}))
    sweep = read_sweep(tmp_path)
    assert [job.status for job in sweep.jobs] == ["failed", "done"]
    assert "can't be read" in sweep.notes[0]


@pytest.mark.parametrize("broken", ["{", '{"version": 1}', "[1]"])
def test_broken_sweep_file_is_noted(tmp_path: Path, broken: str) -> None:
    made_job(tmp_path, 0, {"seed": "1"}, card({"seed": "1"}))
    (tmp_path / "sweep.json").write_text(broken)
    (tmp_path / "multirun.yaml").write_text(broken)
    sweep = read_sweep(tmp_path)
    assert [job.status for job in sweep.jobs] == ["done"]
    assert len(sweep.notes) == 2


def test_newer_formats_are_refused(tmp_path: Path) -> None:
    made_job(tmp_path, 0, {"seed": "1"}, card({"seed": "1"}, format=2))
    with pytest.raises(ValueError, match="must be at most 1, but is 2"):
        read_sweep(tmp_path)
    made_pool(tmp_path / "pool", [], version=2)
    with pytest.raises(ValueError, match=r"`version` of .* must be at most 1, but is 2"):
        read_sweep(tmp_path / "pool")


def test_folder_without_runs_is_refused(tmp_path: Path) -> None:
    made_multirun(tmp_path, "seed=1,2")
    with pytest.raises(ValueError, match=r"holds no run: neither run\.json nor folders with one"):
        read_sweep(tmp_path)


def test_run_that_two_sweeps_lead_to_is_there_once(tmp_path: Path) -> None:
    made_multirun(tmp_path, "seed=1,2,3", pool=False)
    for number in range(2):
        seed = {"seed": str(number + 1)}
        made_job(tmp_path, number, seed, card(seed))
    both = join([read_sweep(tmp_path), read_sweep(tmp_path / "0-qlora")])
    assert sorted(job.name for job in both.jobs) == ["#2", "0-qlora", "1-qlora"]
    assert both.folder == tmp_path
    assert both.in_one_process


def test_numbers_are_compared_in_their_shortest_form() -> None:
    assert canonical("1e-4") == canonical("0.00010") == "0.0001"
    assert canonical("007") == "7"
    assert canonical("lora") == "lora"
    assert canonical("1e999") == "inf"
    assert identity(["+b=2", "a=1.0", "hydra.verbose=true"]) == identity(["a=1.00", "b=2"])


def test_metrics_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    made = card({"seed": "1"})
    made["metrics"]["test/loss"] = None
    made["measured"]["peak_bytes"] = "many"
    made["started"] = "yesterday"
    (tmp_path / "run.json").write_text(json.dumps(made))
    (job,) = read_sweep(tmp_path).jobs
    assert not {"loss", "peak_bytes", "wall_s"} & job.values.keys()
