"""The parts that need no process: slots, the table, the record's values, the progress file, command lines."""

import io
import json
import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf
from rich.console import Console

from hydra_plugins.hydra_gpu_pool_launcher import OptionError, progress
from hydra_plugins.hydra_gpu_pool_launcher._compose import single_run_argv
from hydra_plugins.hydra_gpu_pool_launcher._job import Job, Status, from_plain, identity, to_plain
from hydra_plugins.hydra_gpu_pool_launcher._record import Record
from hydra_plugins.hydra_gpu_pool_launcher._result import checked_progress
from hydra_plugins.hydra_gpu_pool_launcher._send import dumps
from hydra_plugins.hydra_gpu_pool_launcher._slots import find_slots, parse_listing
from hydra_plugins.hydra_gpu_pool_launcher._table import choose, draw, short_labels
from hydra_plugins.hydra_gpu_pool_launcher._words import bytes_text, duration, labels, left_s, sweep_left_s

TWO_GPUS = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-2222-3333-4444-555555555555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-66666666-7777-8888-9999-000000000000)
"""
MIG = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-2222-3333-4444-555555555555)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaaaaaa-2222-3333-4444-555555555555)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbbbbbb-2222-3333-4444-555555555555)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-66666666-7777-8888-9999-000000000000)
"""


def slots(devices: list[str] | None = None, listing: str | None = None, **options: Any) -> list[tuple[str, Any]]:
    options.setdefault("environment", {})
    found, _ = find_slots(devices, listing=lambda: listing, **options)
    return [(slot.name, dict(slot.environment)) for slot in found]


def test_found_gpus_are_named_in_the_order_that_nvidia_smi_counts_in() -> None:
    ordered = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert slots(listing=TWO_GPUS) == [
        ("GPU 0", {"CUDA_VISIBLE_DEVICES": "0", **ordered}),
        ("GPU 1", {"CUDA_VISIBLE_DEVICES": "1", **ordered}),
    ]


def test_mig_instances_take_the_place_of_their_gpu() -> None:
    names = ["MIG-aaaaaaaa-2222-3333-4444-555555555555", "MIG-bbbbbbbb-2222-3333-4444-555555555555"]
    assert parse_listing(MIG) == [*names, "GPU-66666666-7777-8888-9999-000000000000"]
    assert slots(listing=MIG)[0] == (f"GPU {names[0]}", {"CUDA_VISIBLE_DEVICES": names[0]})
    with pytest.raises(OptionError, match="must be 1 with MIG"):
        slots(listing=MIG, gpus_per_job=2)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("3,1", ["GPU 3", "GPU 1"]),
        ("GPU-66,MIG-aa", ["GPU GPU-66", "GPU MIG-aa"]),
        ("2,-1,3", ["GPU 2"]),
        ("", ["CPU 0"]),
        ("-1", ["CPU 0"]),
        ("NoDevFiles", ["CPU 0"]),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(visible: str, expected: list[str]) -> None:
    found = slots(listing=TWO_GPUS, environment={"CUDA_VISIBLE_DEVICES": visible})
    assert [name for name, _ in found] == expected
    assert all("CUDA_DEVICE_ORDER" not in variables for _, variables in found)


def test_given_devices_must_be_among_the_visible_ones() -> None:
    assert slots(["5"], environment={"CUDA_VISIBLE_DEVICES": "4,5"}) == [("GPU 5", {"CUDA_VISIBLE_DEVICES": "5"})]
    with pytest.raises(OptionError, match=r"must be among CUDA_VISIBLE_DEVICES=4,5, but \['0'\] are not"):
        slots(["0", "5"], environment={"CUDA_VISIBLE_DEVICES": "4,5"})


@pytest.mark.parametrize(("devices", "message"), [(["0", "0"], "each GPU once"), (["cuda:0"], r"\['cuda:0'\]")])
def test_devices_that_cannot_be_are_refused(devices: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        slots(devices)


def test_jobs_may_get_several_gpus_or_share_one() -> None:
    assert [name for name, _ in slots(["0", "1", "2", "3"], gpus_per_job=2)] == ["GPU 0,1", "GPU 2,3"]
    assert [name for name, _ in slots(["0", "1"], jobs_per_gpu=2)] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]
    found, notes = find_slots(["0", "1", "2"], gpus_per_job=2, environment={})
    assert [slot.name for slot in found] == ["GPU 0,1"]
    assert notes == ["1 of 3 GPUs stay unused: gpus_per_job=2 doesn't divide them."]
    with pytest.raises(OptionError, match="at most 1, the GPUs found, but is 2"):
        slots(["0"], gpus_per_job=2)


def test_cpu_slots_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert slots(cpu_slots=3) == [(f"CPU {number}", {"OMP_NUM_THREADS": "2"}) for number in range(3)]
    assert slots(cpu_slots=2, environment={"OMP_NUM_THREADS": "5"})[0] == ("CPU 0", {})
    assert slots(cpu_slots=1) == [("CPU 0", {})]


def test_no_devices_hide_the_gpus() -> None:
    assert slots([], listing=TWO_GPUS) == [("CPU 0", {"CUDA_VISIBLE_DEVICES": ""})]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1.5, 1.5),
        (True, True),
        ([1, (2.0, None)], [1, [2.0, None]]),
        ({"loss": 1.0}, {"loss": 1.0}),
        (float("inf"), "inf"),
    ],
)
def test_what_a_job_returned_survives_json(value: Any, plain: Any) -> None:
    found, kind = to_plain(value)
    assert found == plain
    assert json.loads(json.dumps(found, allow_nan=False)) == plain
    assert from_plain(found, kind) == (value if kind else plain)


def test_what_json_cannot_hold_is_named() -> None:
    class Scalar:
        def item(self) -> float:
            return 0.25

    assert to_plain(Scalar()) == (0.25, "")
    assert to_plain(object()) == (None, "builtins.object")
    assert to_plain([float("nan")]) == (None, "builtins.list")
    assert to_plain({1: 2}) == (None, "builtins.dict")


def test_job_is_known_by_its_overrides_in_any_order_without_hydras() -> None:
    assert identity(["b=2", "a=1", "hydra.verbose=true"]) == identity(["a=1", "b=2"])
    assert identity(["a=1"]) != identity(["a=2"])


def test_reader_of_the_record_never_finds_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path, goes_on=False)
    record.write([Job(0, ("a=1",))], ["CPU 0"], "running")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("json.dump", fail)
    with pytest.raises(OSError, match="No space left"):
        record.write([Job(0, ("a=1",), status=Status.DONE)], ["CPU 0"], "done")
    assert json.loads(record.path.read_text())["status"] == "running"


def test_progress_is_written_only_where_a_launcher_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    progress.report(step=1)
    assert not progress.is_watched()
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress"))
    progress.report(step=1, steps=2, note="evaluating")
    assert json.loads((tmp_path / "progress").read_text()) == {"step": 1, "steps": 2, "note": "evaluating"}
    assert [path.name for path in tmp_path.iterdir()] == ["progress"]
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "gone" / "progress"))
    progress.report(step=2)  # and the job goes on


def test_progress_of_any_program_is_taken_as_far_as_it_makes_sense() -> None:
    assert checked_progress({"step": 1, "loss": float("nan"), "steps": "many", "note": 3, "more": 1}) == {"step": 1}
    assert checked_progress([1]) == {}
    assert checked_progress({"note": "x" * 99}) == {"note": "x" * 40}


def test_single_run_keeps_the_flags_and_drops_the_sweep() -> None:
    overrides = {
        "task": ["a=1"],
        "hydra": ["hydra/launcher=gpu_pool", "hydra.launcher.retries=1", "hydra.sweep.dir=s", "hydra.verbose=true"],
    }
    cfg = OmegaConf.create({"hydra": {"overrides": overrides}})
    argv = ["app.py", "-cn", "other", "--config-dir=more", "-m", "a=1,2", "hydra/launcher=gpu_pool"]
    assert single_run_argv(argv, cfg, Path("/runs/it's")) == [
        "app.py", "-cn", "other", "--config-dir=more", "a=1", "hydra.verbose=true", "hydra.mode=RUN",
        "hydra.run.dir='/runs/it\\'s'",
    ]  # fmt: skip


def test_labels_leave_out_what_all_jobs_have() -> None:
    assert labels([Job(0, ("a=1", "b=1")), Job(1, ("a=1", "b=2"))]) == {0: "b=1", 1: "b=2"}
    assert labels([Job(0, ("a=1",))]) == {0: "a=1"}
    assert labels([Job(0, ("a=1", "hydra.a=0")), Job(1, ("a=1", "hydra.a=1"))])[1] == "a=1"
    assert labels([Job(0, ())]) == {0: "(no overrides)"}


def test_numbers_are_written_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 61, 3753)] == ["0 s", "59 s", "1:01", "1:02:33"]
    assert [bytes_text(count) for count in (812_000_000, 17_300_000_000)] == ["812 MB", "17.3 GB"]


def test_time_left_follows_the_pace_since_the_first_report() -> None:
    job = Job(0, (), status=Status.RUNNING, progress={"step": 30, "steps": 100}, first_report=(1000.0, 10))
    assert left_s(job, 1040.0) == 140.0
    job.progress["left_s"] = 7
    assert left_s(job, 1040.0) == 7.0
    done = Job(1, (), status=Status.DONE, started_s=0.0, ended_s=60.0)
    assert sweep_left_s([done, job, Job(2, ()), Job(3, ())], 1, 1040.0) == 127.0
    assert sweep_left_s([done], 1, 1040.0) is None


def test_table_without_room_shows_the_urgent_jobs() -> None:
    jobs = [Job(num, (f"a={num}",), status=Status.DONE, ended_s=float(num)) for num in range(20)]
    jobs += [Job(20, ("a=20",), status=Status.RUNNING), Job(21, ("a=21",)), Job(22, ("a=22",), status=Status.FAILED)]
    assert [job.num for job in choose(jobs, 5)] == [18, 19, 20, 21, 22]
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(draw(jobs, 1, 100, 10, 100.0))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("1 waiting · 1 running · 20 done · 1 failed")
    assert lines[-1] == "and 18 done"
    assert len(lines) <= 9


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_table_leaves_out_columns_before_it_cuts_names(width: int) -> None:
    told = {"step": 100, "steps": 1000, "loss": 1.234, "memory_bytes": 78_900_000_000}
    jobs = [
        Job(num, (f"model.method={name}", "seed=1"), slot="GPU 0", status=Status.DONE, started_s=0.0, progress=told)
        for num, name in enumerate(("full", "lora"))
    ]
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(draw(jobs, 1, width, 24, 100.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "method=full" in text
    assert "model." not in text
    assert "…" not in text
    assert "100/1000" in text
    assert ("78.9 GB" in text) == (width >= 80)


def test_labels_stay_whole_where_they_would_become_the_same() -> None:
    jobs = [Job(0, ("a.lr=1", "b.lr=1")), Job(1, ("a.lr=2", "b.lr=2"))]
    assert short_labels(jobs)[0] == "a.lr=1 b.lr=1"


def test_readme_tells_every_option() -> None:
    from hydra_plugins.hydra_gpu_pool_launcher.config import GpuPoolLauncherConf

    readme = (Path(__file__).parents[1] / "README.md").read_text()
    options = [name for name in OmegaConf.structured(GpuPoolLauncherConf) if name != "_target_"]
    assert len(options) > 10
    assert [name for name in options if f"| `{name}` |" not in readme] == []


def test_example_names_what_exists() -> None:
    example = Path(__file__).parents[1] / "example"
    launcher = yaml.safe_load((example / "config.yaml").read_text())["hydra"]["launcher"]
    from hydra_plugins.hydra_gpu_pool_launcher.config import GpuPoolLauncherConf

    assert launcher.keys() <= set(OmegaConf.structured(GpuPoolLauncherConf))


def test_modules_with_deprecated_names_do_not_stop_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deprecated(ModuleType):
        def __getattr__(self, name: str) -> object:
            warnings.warn(f"{name} is deprecated", FutureWarning, stacklevel=2)
            raise AttributeError(name)

    class Anchor:
        __module__ = None  # type: ignore[assignment]  # so that all loaded modules are asked for its name, in their order

        def __reduce__(self) -> str:
            return "ANCHOR"

    home = ModuleType("home_of_the_anchor")
    home.ANCHOR = Anchor()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deprecated_names", Deprecated("deprecated_names"))
    monkeypatch.setitem(sys.modules, "home_of_the_anchor", home)
    assert pickle.loads(dumps(home.ANCHOR)) is home.ANCHOR
