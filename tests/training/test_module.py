"""Whole runs on a toy model: what must not change the numbers, and what must happen when they go wrong."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ftlab.data.row import EncodedRow, MicroBatch
from ftlab.kernels.recompute import Recompute, policy_of
from ftlab.optimizer.schedule import build_schedule
from ftlab.training.loss import sum_nll
from ftlab.training.skipped import NonFiniteError
from ftlab.training.step import RowTooLargeError
from tests.training.toy import PlainMethod, Recorder, run_toy, toy_model, toy_module, toy_rows


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _same(one: nn.Module, other: nn.Module, **tolerance: float) -> None:
    for name, tensor in _weights(one).items():
        torch.testing.assert_close(_weights(other)[name], tensor, **(tolerance or {"rtol": 0, "atol": 0}))


def _changed(model: nn.Module, start: nn.Module) -> bool:
    return any(not torch.equal(p, q) for p, q in zip(model.parameters(), start.parameters(), strict=True))


# Accumulation, packing and padding.


class Gradients(Callback):
    """The gradients of the first step, before clipping."""

    def __init__(self) -> None:
        self.first: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if not self.first:
            named = pl_module.named_parameters()
            self.first = {name: p.grad.clone() for name, p in named if p.grad is not None}


LAYINGS = {
    "1 x 16 packed": {"micro_batch_tokens": 10_000},
    "4 x 4 packed": {"micro_batch_tokens": 40},
    "16 x 1 packed": {"micro_batch_tokens": 1},
    "1 x 16 padded": {"micro_batch_tokens": 10_000, "layout": "padded"},
    "4 x 4 padded": {"micro_batch_tokens": 40, "layout": "padded"},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradients_and_losses_do_not_depend_on_how_rows_are_laid(dtype: torch.dtype, tmp_path: Path) -> None:
    found, passes = {}, set()
    for name, laying in LAYINGS.items():
        gradients = Gradients()
        module = toy_module(toy_model(dtype=dtype), **laying)
        recorder, _ = run_toy(tmp_path, module, rows=toy_rows(32), batch_rows=16, steps=2, callbacks=[gradients])
        found[name] = (gradients.first, recorder)
        passes.add(module.last_step.micro_batches)
    assert {1, 16} <= passes
    assert len(passes) >= 3
    tolerance = {"rtol": 1e-9, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-6}
    reference, recorder = found["1 x 16 packed"]
    for gradients_of, recorder_of in found.values():
        torch.testing.assert_close(gradients_of, reference, **tolerance)
        assert list(recorder_of.losses.values()) == pytest.approx(list(recorder.losses.values()), rel=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_run_with_out_of_memory_ends_with_the_same_weights(dropout: float, tmp_path: Path) -> None:
    # Every row alone from the start, so that the retries change nothing but the number of attempts.
    plain = toy_module(toy_model(dropout=dropout, dtype=torch.float64), micro_batch_tokens=1)
    run_toy(tmp_path, plain)

    failures = []

    def scarce(model: nn.Module, micro: MicroBatch) -> Tensor:
        nll = sum_nll(model, micro)  # draws dropout before it fails
        if model.training and len(micro.row_ids) > 1:
            failures.append(micro.row_ids)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return nll

    module = toy_module(toy_model(dropout=dropout, dtype=torch.float64), micro_batch_tokens=64, nll=scarce)
    recorder, trainer = run_toy(tmp_path, module)
    assert len(failures) >= 2
    assert trainer.global_step == 6
    assert sorted(sum(recorder.rows.values(), ())) == sorted([row.id for row in toy_rows(24)] * 2)
    _same(plain, module)


def test_out_of_memory_in_smaller_pieces_equals_an_uncapped_run(tmp_path: Path) -> None:
    def scarce(model: nn.Module, micro: MicroBatch) -> Tensor:
        if model.training and micro.input_ids.numel() > 30:
            raise RuntimeError("CUDA error: out of memory")
        return sum_nll(model, micro)

    plain = toy_module(toy_model(dtype=torch.float64), micro_batch_tokens=128)
    short = toy_module(toy_model(dtype=torch.float64), micro_batch_tokens=128, nll=scarce)
    one, _ = run_toy(tmp_path, plain)
    other, _ = run_toy(tmp_path, short)
    assert short.runner.micro_batch_tokens <= 30
    assert list(other.losses.values()) == pytest.approx(list(one.losses.values()), rel=1e-6)
    _same(plain, short, rtol=1e-9, atol=1e-12)


def test_row_that_cannot_fit_ends_the_run(tmp_path: Path) -> None:
    def never(model: nn.Module, micro: MicroBatch) -> Tensor:
        if model.training:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return sum_nll(model, micro)

    with pytest.raises(RowTooLargeError, match="Out of memory with a single row in the micro-batch"):
        run_toy(tmp_path, toy_module(toy_model(), nll=never))


# Steps that are left out.


def _poisoned(rows: list[EncodedRow], *, when: Callable[[], bool] = lambda: True) -> Any:
    ids = {row.id for row in rows}

    def nll(model: nn.Module, micro: MicroBatch) -> Tensor:
        factor = float("nan") if model.training and ids & set(micro.row_ids) and when() else 1.0
        return sum_nll(model, micro) * factor

    return nll


def test_step_that_is_not_finite_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = toy_rows(8)  # one step an epoch: every step has the bad row
    module = toy_module(toy_model(), nll=_poisoned([rows[3]]), max_skipped_steps=6)
    run_toy(tmp_path, module, rows=rows)
    _same(module, toy_module(toy_model()))
    assert module.skipped.rows == [tuple(range(8))] * 6
    assert module.last_step.skipped
    assert "Step 1 left out: its loss is not finite. Rows: 0, 1, 2, 3, 4, 5, 6, 7" in caplog.text


def test_gradient_that_is_not_finite_is_left_out_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, nll: Tensor) -> Tensor:
            return nll.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
            return gradient * float("inf")

    module = toy_module(toy_model(), nll=lambda model, micro: Broken.apply(sum_nll(model, micro)), max_skipped_steps=6)
    run_toy(tmp_path, module)
    assert len(module.skipped.rows) == 6
    assert "its gradient is not finite" in caplog.text


def test_steps_around_a_skipped_one_go_on(tmp_path: Path) -> None:
    rows = toy_rows(24)  # three steps an epoch, two epochs: the bad row is met twice
    module = toy_module(toy_model(), nll=_poisoned([rows[3]]), max_skipped_steps=2)
    method = module._method
    _, trainer = run_toy(tmp_path, module, rows=rows)
    assert trainer.global_step == 6
    assert all(3 in skipped for skipped in module.skipped.rows)
    assert len(module.skipped.rows) == 2
    assert len(method.steps) == 4  # type: ignore[attr-defined]  # nothing to do after a step that did nothing
    assert _changed(module.model, toy_model())


def test_too_many_skipped_steps_end_the_run_with_their_rows(tmp_path: Path) -> None:
    rows = toy_rows(8)
    module = toy_module(toy_model(), nll=_poisoned([rows[3]]), max_skipped_steps=2)
    with pytest.raises(NonFiniteError, match=r"in 3 steps, which is more than training.max_skipped_steps=2.*0, 1, 2"):
        run_toy(tmp_path, module, rows=rows)


@pytest.mark.gpu
def test_float16_overflow_is_the_scalers_business(tmp_path: Path) -> None:
    class OnceTooLarge:
        calls = 0

        def __call__(self, model: nn.Module, micro: MicroBatch) -> Tensor:
            nll = sum_nll(model, micro)
            if model.training:
                self.calls += 1
            if model.training and self.calls == 1:
                nll.register_hook(lambda gradient: gradient * float("inf"))
            return nll

    module = toy_module(toy_model(), nll=OnceTooLarge(), micro_batch_tokens=10_000, max_skipped_steps=0)
    run_toy(tmp_path, module, precision="16-mixed", accelerator="gpu")
    assert module.skipped.rows == []
    assert _changed(module.model, toy_model())


# Clipping, rates, hooks.


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_norm_is_the_unclipped_one_and_gradients_are_clipped(precision: str, tmp_path: Path) -> None:
    class AtUpdate(torch.optim.SGD):
        norms: list[float] = []  # noqa: RUF012

        def step(self, closure: Any = None) -> Any:
            before = [p.detach().clone() for p in self.param_groups[0]["params"]]
            result = super().step(closure)
            moved = [(p - q).norm() for p, q in zip(self.param_groups[0]["params"], before, strict=True)]
            self.norms.append(torch.stack(moved).norm().item())
            return result

    AtUpdate.norms = []
    module = toy_module(
        toy_model(), optimizer=partial(AtUpdate, lr=1.0), schedule=build_schedule("constant", total_steps=6)
    )
    for name, parameter in module.named_parameters():
        parameter.requires_grad = "proj" in name  # one group, so that the norm of the update is the gradients'
    recorder, _ = run_toy(tmp_path, module, max_grad_norm=0.05, precision=precision)
    assert min(recorder.norms.values()) > 0.05
    assert AtUpdate.norms == pytest.approx([0.05] * 6, rel=1e-3)


def test_no_limit_leaves_gradients_as_they_are(tmp_path: Path) -> None:
    clipped, free = toy_module(toy_model()), toy_module(toy_model())
    one, _ = run_toy(tmp_path, clipped, max_grad_norm=1e9)
    other, _ = run_toy(tmp_path, free, max_grad_norm=None)
    assert one.norms == other.norms
    _same(clipped, free)


def test_learning_rate_is_the_schedules_at_every_step(tmp_path: Path) -> None:
    schedule = build_schedule("linear", total_steps=6, warmup=3)
    recorder, _ = run_toy(tmp_path, toy_module(toy_model(), schedule=schedule))
    assert recorder.rates == {step: pytest.approx(1e-2 * schedule(step - 1)) for step in range(1, 7)}


def test_validation_comes_first_last_and_between(tmp_path: Path) -> None:
    recorder, _ = run_toy(tmp_path, toy_module(toy_model(), total_steps=7), steps=7, eval_every_steps=3)
    assert list(recorder.validations) == [0, 3, 6, 7]


def test_validation_interval_beyond_the_run_is_allowed(tmp_path: Path) -> None:
    recorder, _ = run_toy(tmp_path, toy_module(toy_model()), eval_every_steps=100)
    assert list(recorder.validations) == [0, 6]


def test_dropout_does_not_depend_on_what_others_draw(tmp_path: Path) -> None:
    class Gambler(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            torch.rand(17)

    plain, disturbed = toy_module(toy_model(dropout=0.4)), toy_module(toy_model(dropout=0.4))
    one, _ = run_toy(tmp_path, plain)
    other, _ = run_toy(tmp_path, disturbed, callbacks=[Gambler()])
    without, _ = run_toy(tmp_path, toy_module(toy_model(dropout=0.0)))
    assert one.losses == other.losses
    assert one.losses != without.losses


def test_method_is_called_after_each_update_with_gradients_at_hand(tmp_path: Path) -> None:
    class Watching(PlainMethod):
        def after_step(self, model: nn.Module, step: int) -> None:
            super().after_step(model, step)
            assert all(p.grad is not None for p in model.parameters())

    method = Watching()
    run_toy(tmp_path, toy_module(toy_model(), method=method))
    assert method.steps == [1, 2, 3, 4, 5, 6]


def test_extra_loss_counts_once_a_step_whatever_the_micro_batches(tmp_path: Path) -> None:
    class Pulling(PlainMethod):
        def extra_loss(self, model: nn.Module) -> Tensor:
            return sum((p.double() ** 2).sum() for p in model.parameters())  # type: ignore[return-value]

    one, other = Gradients(), Gradients()
    run_toy(tmp_path, toy_module(toy_model(dtype=torch.float64)), callbacks=[one])
    pulled = toy_module(toy_model(dtype=torch.float64), method=Pulling(), micro_batch_tokens=20)
    run_toy(tmp_path, pulled, callbacks=[other])
    start = dict(toy_module(toy_model(dtype=torch.float64)).named_parameters())
    for name, gradient in one.first.items():
        torch.testing.assert_close(other.first[name], gradient + 2 * start[name].detach(), rtol=1e-9, atol=1e-12)


def test_step_result_counts_tokens_and_names_rows(tmp_path: Path) -> None:
    rows = toy_rows(8)
    module = toy_module(toy_model())
    run_toy(tmp_path, module, rows=rows)
    step = module.last_step
    assert step.tokens == sum(len(row) for row in rows)
    assert step.supervised_tokens == sum(row.targets_count for row in rows)
    assert sorted(step.row_ids) == list(range(8))
    assert step.oom_events == ()
    assert step.loss.shape == ()
    assert not step.loss.requires_grad


def test_validation_loss_is_over_all_tokens(tmp_path: Path) -> None:
    from tests.reference.nll import row_nll, supervised_tokens

    held_out = toy_rows(6, seed=9, first_id=1000)
    model = toy_model()
    expected = sum(row_nll(model, row).item() for row in held_out) / supervised_tokens(held_out)
    recorder, _ = run_toy(tmp_path, toy_module(toy_model()))
    assert recorder.validations[0] == pytest.approx(expected, rel=1e-5)


def test_frozen_weights_are_not_in_the_state(tmp_path: Path) -> None:
    model = toy_model()
    model.model.embed_tokens.weight.requires_grad = False
    module = toy_module(model)
    run_toy(tmp_path, module)
    assert "model.model.embed_tokens.weight" not in module.state_dict()
    assert torch.equal(model.model.embed_tokens.weight, toy_model().model.embed_tokens.weight)


def test_weights_of_another_method_are_refused() -> None:
    module = toy_module(toy_model())
    with pytest.raises(ValueError, match=r"they differ in 1, for example 'model\.lm_head\.weight'"):
        module.load_state_dict({k: v for k, v in module.state_dict().items() if k != "model.lm_head.weight"})


def test_recorder_sees_every_step(tmp_path: Path) -> None:
    recorder: Recorder = run_toy(tmp_path, toy_module(toy_model()))[0]
    assert list(recorder.losses) == [1, 2, 3, 4, 5, 6]


def test_evaluation_that_ran_out_of_memory_gives_the_same_loss_and_is_told(tmp_path: Path) -> None:
    def scarce(model: nn.Module, micro: MicroBatch) -> Tensor:
        if not model.training and micro.input_ids.numel() > 16:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return sum_nll(model, micro)

    plain, _ = run_toy(tmp_path / "a", toy_module(toy_model(dtype=torch.float64)))
    module = toy_module(toy_model(dtype=torch.float64), nll=scarce)
    short, _ = run_toy(tmp_path / "b", module)
    assert short.validations == pytest.approx(plain.validations, rel=1e-12)
    assert {event.phase for event in module.evaluation_events} == {"evaluation"}
    assert module.evaluation_events[0].step == 0
    assert short.losses == plain.losses
    assert module.runner.micro_batch_tokens == 64  # training is not made slower by it


def test_single_rows_that_do_not_fit_raise_recomputation_and_the_run_gives_the_same_losses(tmp_path: Path) -> None:
    plain, _ = run_toy(tmp_path / "a", toy_module(toy_model()))

    def scarce(model: nn.Module, micro: MicroBatch) -> Tensor:
        if model.training and policy_of(model.model.layers[-1]) != Recompute(norms=True, mlp=True):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return sum_nll(model, micro)

    module = toy_module(toy_model(), nll=scarce)
    risen, _ = run_toy(tmp_path / "b", module)
    assert [event.recompute for event in risen.oom_events if event.recompute] == ["norms", "mlp"]
    assert {event.step for event in risen.oom_events} == {1}
    assert list(risen.losses.values()) == pytest.approx(list(plain.losses.values()), rel=1e-5)
    assert risen.rows == plain.rows
