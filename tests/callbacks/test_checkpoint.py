"""When checkpoints are saved, which are kept, and that a resumed run is the unbroken one."""

import json
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.callbacks.checkpoint_folder import best_checkpoint, find_checkpoint, saved, whole
from ftlab.callbacks.interrupt import Interrupted
from ftlab.optimizer.schedule import build_schedule
from ftlab.training.module import TrainModule
from ftlab.training.trainer import load_weights
from tests.training.toy import Recorder, run_toy, toy_model, toy_module

STEPS, EVAL = 7, 3


def _module(**changes: Any) -> TrainModule:
    schedule = build_schedule("cosine", total_steps=STEPS, warmup=2)
    return toy_module(toy_model(dropout=0.3), total_steps=STEPS, schedule=schedule, **changes)


def _checkpoint(folder: Path, *, every: int = 2, keep: int = 2) -> Checkpoint:
    return Checkpoint(folder=folder, every_steps=every, eval_every_steps=EVAL, keep=keep, facts={"config_hash": "abc"})


def _run(folder: Path, module: TrainModule, *callbacks: Callback, every: int = 2, keep: int = 2) -> Recorder:
    """Runs, from the newest checkpoint if there is one."""
    found = find_checkpoint(folder / "checkpoints")
    return run_toy(
        folder,
        module,
        steps=STEPS,
        eval_every_steps=EVAL,
        callbacks=[_checkpoint(folder / "checkpoints", every=every, keep=keep), *callbacks],
        start_step=found.step if found else 0,
        checkpoint=found.folder if found else None,
    )[0]


class Break(Callback):
    """Fails, or gets a signal, in the middle of a step."""

    def __init__(self, step: int, number: signal.Signals | None = None, *, in_validation: bool = False) -> None:
        self.step = step
        self.number = number
        self.in_validation = in_validation

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if not self.in_validation and trainer.global_step + 1 == self.step:
            self._break()

    def on_validation_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if self.in_validation and trainer.global_step == self.step:
            self.in_validation = False
            self._break()

    def _break(self) -> None:
        if self.number is None:
            raise RuntimeError("broken off")
        os.kill(os.getpid(), self.number)


def test_run_broken_off_anywhere_resumes_as_the_unbroken_one(tmp_path: Path) -> None:
    unbroken = _run(tmp_path / "unbroken", one := _module())
    assert list(unbroken.validations) == [0, 3, 6, 7]
    for step in range(1, STEPS + 1):
        folder = tmp_path / str(step)
        with pytest.raises(RuntimeError, match="broken off"):
            _run(folder, _module(), Break(step))
        found = find_checkpoint(folder / "checkpoints")
        start = found.step if found else 0
        resumed = _run(folder, other := _module())
        assert resumed.losses == {at: loss for at, loss in unbroken.losses.items() if at > start}
        assert resumed.rows == {at: rows for at, rows in unbroken.rows.items() if at > start}
        assert resumed.rates == {at: rate for at, rate in unbroken.rates.items() if at > start}
        assert resumed.validations == {at: v for at, v in unbroken.validations.items() if at > start or not start}
        for name, tensor in one.state_dict().items():
            assert torch.equal(other.state_dict()[name], tensor)


def test_run_broken_off_inside_a_save_goes_on_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = _run(tmp_path / "unbroken", _module())
    folder = tmp_path / "broken"
    with monkeypatch.context() as patch:
        save = torch.save

        def fail_at_four(state: Any, path: Any) -> None:
            save(state, path)
            if state["global_step"] == 4:
                raise OSError("no space left on device")

        patch.setattr(torch, "save", fail_at_four)
        with pytest.raises(OSError, match="no space left"):
            _run(folder, _module())
    assert [path.name for path in sorted((folder / "checkpoints").iterdir())] == [
        ".unfinished-step-000004",
        "step-000002",
    ]
    resumed = _run(folder, _module())
    assert resumed.losses == {at: loss for at, loss in unbroken.losses.items() if at > 2}
    assert not list((folder / "checkpoints").glob(".*"))


def test_newest_and_best_are_kept(tmp_path: Path) -> None:
    recorder = _run(tmp_path, _module(), every=1, keep=2)
    validated = {step: loss for step, loss in recorder.validations.items() if step > 0}
    best = min(validated, key=validated.__getitem__)
    folder = tmp_path / "checkpoints"
    assert [one.step for one in whole(folder)] == sorted({6, 7, best})
    found = best_checkpoint(folder)
    assert found is not None
    assert (found.step, found.val_loss) == (best, pytest.approx(validated[best], rel=1e-6))


def test_state_names_step_loss_and_facts(tmp_path: Path) -> None:
    recorder = _run(tmp_path, _module(), every=3, keep=3)
    state = json.loads((tmp_path / "checkpoints" / "step-000003" / "state.json").read_text())
    assert (state["format"], state["step"], state["config_hash"]) == (1, 3, "abc")
    assert state["val_loss"] == pytest.approx(recorder.validations[3], rel=1e-6)
    assert saved(tmp_path / "checkpoints" / "step-000003").facts == {"config_hash": "abc"}


def test_weights_are_safetensors_of_what_was_trained(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    module = _module()
    module.model.lm_head.weight.requires_grad = False
    _run(tmp_path, module)
    weights = load_file(tmp_path / "checkpoints" / "step-000007" / "trainable.safetensors")
    assert weights.keys() == module.state_dict().keys()
    assert "model.lm_head.weight" not in weights
    assert all(torch.equal(weights[name], tensor) for name, tensor in module.state_dict().items())


def test_load_weights_puts_a_checkpoint_into_the_model(tmp_path: Path) -> None:
    module = _module()
    _run(tmp_path, module)
    fresh = _module()
    load_weights(fresh, tmp_path / "checkpoints" / "step-000007")
    assert all(torch.equal(fresh.state_dict()[name], tensor) for name, tensor in module.state_dict().items())


def test_finished_run_resumes_to_nothing(tmp_path: Path) -> None:
    _run(tmp_path, _module())
    again = _run(tmp_path, _module())
    assert again.losses == {}


def test_lowered_budget_and_skipped_steps_are_resumed(tmp_path: Path) -> None:
    first = _module()
    first.runner.micro_batch_tokens = 24
    first.skipped.rows = [(1, 2)]
    with pytest.raises(RuntimeError, match="broken off"):
        _run(tmp_path, first, Break(5))
    second = _module()
    _run(tmp_path, second)
    assert second.runner.micro_batch_tokens == 24
    assert second.skipped.rows == [(1, 2)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("step", "in_validation"), [(1, False), (5, False), (3, False), (3, True), (0, True)])
def test_signal_ends_the_run_after_a_saved_step(
    number: signal.Signals, step: int, in_validation: bool, tmp_path: Path
) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    unbroken = _run(tmp_path / "unbroken", _module())
    with pytest.raises(Interrupted, match=rf"Ended by {number.name} after step {max(step, 1)}") as caught:
        _run(tmp_path / "run", _module(), Break(step, number, in_validation=in_validation))
    found = find_checkpoint(tmp_path / "run" / "checkpoints")
    assert caught.value.step == found.step == max(step, 1)
    assert (found.val_loss is not None) == (found.step % EVAL == 0)  # a step that is validated is, before it ends
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    resumed = _run(tmp_path / "run", _module())
    assert resumed.losses == {at: loss for at, loss in unbroken.losses.items() if at > max(step, 1)}
    assert resumed.validations == {at: loss for at, loss in unbroken.validations.items() if at > max(step, 1)}


def test_sigterm_under_submitit_saves_and_the_requeued_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="ftlab[slurm] isn't installed")
    from submitit.core import submission
    from submitit.core.utils import DelayedSubmission, JobPaths

    def job() -> dict[int, float]:
        is_first = find_checkpoint(tmp_path / "run" / "checkpoints") is None
        try:
            return _run(tmp_path / "run", _module(), *([Break(5, signal.SIGTERM)] if is_first else [])).losses
        except Interrupted as interruption:
            raise KeyboardInterrupt from interruption  # as `task=train` does

    unbroken = _run(tmp_path / "unbroken", _module())
    place = {"FOLDER": str(tmp_path), "EXECUTOR": "local", "LOCAL_JOB_ID": "1", "LOCAL_GLOBALID": "0"}
    for name, value in place.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    paths = JobPaths(tmp_path, job_id="1", task_id=0)
    DelayedSubmission(job).dump(paths.submitted_pickle)
    listened = (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in listened}
    try:
        with pytest.raises(KeyboardInterrupt):
            submission.process_job(tmp_path)
        assert not paths.result_pickle.exists()  # for submitit, the job isn't over
        submission.process_job(tmp_path)  # Slurm starts the same command again
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with paths.result_pickle.open("rb") as file:
        outcome, losses = pickle.load(file)
    assert outcome == "success"
    assert losses == {at: loss for at, loss in unbroken.losses.items() if at > 5}


def test_signal_in_the_last_step_changes_nothing(tmp_path: Path) -> None:
    recorder = _run(tmp_path, _module(), Break(STEPS, signal.SIGTERM))
    assert len(recorder.losses) == STEPS


def test_second_signal_is_not_held_back(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run side by side ignore it
    try:
        with pytest.raises(SystemExit):  # Lightning's answer to the KeyboardInterrupt
            _run(tmp_path, _module(), Break(2, signal.SIGINT), Break(2, signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"keep": 0}])
def test_numbers_below_one_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be at least 1, but is 0"):
        _checkpoint(tmp_path, **wrong)
