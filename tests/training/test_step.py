"""The runner of a step: micro-batches under a budget, and the same rows again where memory ends."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ftlab.data.pack import plan_micro_batches
from ftlab.data.row import Layout, MicroBatch
from ftlab.training.memory import is_out_of_memory
from ftlab.training.step import CLEAN_STEPS, GROWTH_STEPS, RowTooLargeError, StepRunner, StepSums
from tests.training.toy import toy_rows

CPU = torch.device("cpu")


class Run:
    """A model of one number, and what happened to it."""

    def __init__(self, fails: Callable[[MicroBatch], bool], *, layout: Layout = "packed", budget: int = 64) -> None:
        self.weight = torch.ones((), requires_grad=True)
        self.fails = fails
        self.seen: list[tuple[int, ...]] = []
        self.attempts = 0
        self.runner = StepRunner(nll=self._nll, layout=layout, micro_batch_tokens=budget, pad_id=0)

    def _nll(self, micro: MicroBatch) -> Tensor:
        if self.fails(micro):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        self.seen.append(micro.row_ids)
        return self.weight * (micro.targets != -100).sum()

    def _begin(self) -> None:
        self.attempts += 1
        self.weight.grad = None
        self.seen = []

    def run(self, rows: list, step: int = 4) -> StepSums:  # type: ignore[type-arg]
        return self.runner.run(rows, step=step, device=CPU, begin=self._begin, backward=Tensor.backward)


def _tokens(micro: MicroBatch) -> int:
    return micro.input_ids.numel()


def _supervised(rows: list) -> int:  # type: ignore[type-arg]
    return sum(row.targets_count for row in rows)


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("budget", [1, 20, 64, 10_000])
def test_every_row_runs_once_whatever_the_budget(layout: Layout, budget: int) -> None:
    rows = toy_rows(12)
    run = Run(lambda micro: False, layout=layout, budget=budget)
    sums = run.run(rows)
    assert sorted(sum(run.seen, ())) == [row.id for row in rows]
    assert sums.nll.item() == run.weight.grad.item() == _supervised(rows)
    assert sums.micro_batches == len(plan_micro_batches([len(row) for row in rows], budget, layout))


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_out_of_memory_runs_the_same_rows_in_half_the_size(layout: Layout) -> None:
    rows = toy_rows(12)
    run = Run(lambda micro: _tokens(micro) > 30, layout=layout, budget=64)
    sums = run.run(rows)
    assert sorted(sum(run.seen, ())) == [row.id for row in rows]
    assert run.weight.grad.item() == _supervised(rows)  # nothing of the failed attempt is left in it
    first, last = sums.oom_events[0], sums.oom_events[-1]
    assert (first.step, first.budget_before, first.longest_row) == (5, 64, max(map(len, rows)))
    assert first.budget_after <= 32
    assert last.budget_after == run.runner.micro_batch_tokens <= 30


def test_lowered_budget_stays_in_force_for_the_next_step() -> None:
    run = Run(lambda micro: _tokens(micro) > 30)
    assert run.run(toy_rows(12)).oom_events
    assert run.run(toy_rows(12, seed=1)).oom_events == ()


def test_budget_that_nothing_filled_is_halved_from_what_was_held() -> None:
    rows = toy_rows(3)
    held = sum(map(len, rows))
    run = Run(lambda micro: _tokens(micro) == held, budget=4096)
    (event,) = run.run(rows).oom_events
    assert (event.budget_before, event.budget_after) == (4096, held // 2)


def test_single_row_that_does_not_fit_ends_with_advice() -> None:
    rows = toy_rows(6)
    longest = max(rows, key=len)
    run = Run(lambda micro: longest.id in micro.row_ids)
    with pytest.raises(
        RowTooLargeError, match=rf"micro-batch: row {longest.id} of {len(longest)} tokens.*max_row_tokens"
    ):
        run.run(rows)
    assert run.weight.grad is None


def test_failure_in_backward_is_retried_too() -> None:
    rows = toy_rows(6)
    run = Run(lambda micro: False)
    failures = iter([True])

    def backward(nll: Tensor) -> None:
        nll.backward()
        if next(failures, False):
            raise RuntimeError("CUDA error: out of memory")

    sums = run.runner.run(rows, step=0, device=CPU, begin=run._begin, backward=backward)
    assert len(sums.oom_events) == 1
    assert run.weight.grad.item() == _supervised(rows)


def test_other_errors_pass_through_at_once() -> None:
    run = Run(lambda micro: False)
    run.runner._nll = _broken
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run.run(toy_rows(4))
    assert run.attempts == 1


def _broken(micro: MicroBatch) -> Tensor:
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_rank_without_rows_takes_part_with_nothing() -> None:
    sums = Run(lambda micro: False).run([])
    assert (sums.nll.item(), sums.micro_batches) == (0, 0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
    ids=lambda value: str(value)[:24],
)
def test_is_out_of_memory_knows_what_the_libraries_say(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_is_out_of_memory_knows_a_real_failure_of_the_cpu() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**16)
    assert is_out_of_memory(caught.value)


def test_recomputation_rises_where_single_rows_do_not_fit_and_the_run_goes_on() -> None:
    rows = toy_rows(6)
    longest = max(map(len, rows))
    levels = iter(["norms", "mlp"])
    risen: list[str] = []

    def lighten() -> str | None:
        risen.extend([level] if (level := next(levels, None)) else [])
        return level

    run = Run(lambda micro: _tokens(micro) >= longest and len(risen) < 2)
    run.runner._lighten = lighten
    sums = run.run(rows)
    assert risen == ["norms", "mlp"]
    assert [event.recompute for event in sums.oom_events if event.recompute] == ["norms", "mlp"]
    assert sorted(sum(run.seen, ())) == [row.id for row in rows]
    assert run.weight.grad.item() == _supervised(rows)


def test_a_row_that_fails_alone_does_not_take_the_others_apart() -> None:
    rows = [*toy_rows(12), *toy_rows(1, seed=2, first_id=99, shortest=300, longest=301)]
    risen: list[str] = []
    run = Run(lambda micro: 99 in micro.row_ids and not risen, budget=64)
    run.runner._lighten = lambda: risen.append("norms") or risen[-1]
    (event,) = run.run(rows).oom_events
    assert (event.budget_before, event.budget_after, event.recompute) == (64, 64, "norms")
    assert max(len(ids) for ids in run.seen) > 1
    assert sorted(sum(run.seen, ())) == [row.id for row in rows]


def test_the_end_says_what_the_plan_advises() -> None:
    run = Run(lambda micro: True)
    run.runner._advice = "What helps: method=qlora (3.1 GiB)."
    with pytest.raises(RowTooLargeError, match=r"What helps: method=qlora \(3.1 GiB\)"):
        run.run(toy_rows(3))


def test_lowered_budget_doubles_after_enough_clean_steps_and_not_again_at_once() -> None:
    run = Run(lambda micro: False, budget=64)
    run.runner.micro_batch_tokens = 16
    budgets = []
    for step in range(GROWTH_STEPS + CLEAN_STEPS):
        run.run(toy_rows(2), step=step)
        budgets.append(run.runner.micro_batch_tokens)
    assert budgets.index(32) == CLEAN_STEPS - 1
    assert budgets.index(64) == CLEAN_STEPS - 1 + GROWTH_STEPS
    assert max(budgets) == 64


def test_a_doubling_that_was_too_much_is_waited_for_twice_as_long() -> None:
    run = Run(lambda micro: _tokens(micro) > 20, budget=40)
    rows = toy_rows(12)
    grown = []
    for step in range(3 * GROWTH_STEPS + 2):
        before = run.runner.micro_batch_tokens
        run.run(rows, step=step)
        grown += [step] if run.runner.micro_batch_tokens > before else []
    assert len(grown) == 2
    assert grown[1] - grown[0] >= 2 * GROWTH_STEPS


def test_restored_runner_forms_the_micro_batches_of_an_unbroken_one() -> None:
    unbroken = Run(lambda micro: False, budget=64)
    unbroken.runner.micro_batch_tokens = 16
    for step in range(CLEAN_STEPS - 5):
        unbroken.run(toy_rows(2), step=step)
    resumed = Run(lambda micro: False, budget=64)
    resumed.runner.restore(unbroken.runner.state())
    for step in range(10):
        unbroken.run(toy_rows(2), step=step)
        resumed.run(toy_rows(2), step=step)
        assert resumed.runner.state() == unbroken.runner.state()


def test_rehearsal_counts_as_no_step() -> None:
    run = Run(lambda micro: False)
    before = run.runner.state()
    run.runner.run(toy_rows(2), step=0, device=CPU, begin=run._begin, backward=Tensor.backward, probe=True)
    assert run.runner.state() == before


def test_evaluation_halves_what_does_not_fit_and_leaves_the_budget_alone() -> None:
    rows = toy_rows(12)
    run = Run(lambda micro: _tokens(micro) > 30, budget=64)
    used: list[int] = []
    events = run.runner.evaluate(rows, step=7, device=CPU, use=lambda part, nll: used.extend(row.id for row in part))
    assert sorted(used) == [row.id for row in rows]
    assert events
    assert {(event.step, event.phase) for event in events} == {(7, "evaluation")}
    assert all(event.budget_after < event.budget_before for event in events)
    assert run.runner.micro_batch_tokens == 64


def test_evaluation_of_a_row_that_does_not_fit_ends_with_advice() -> None:
    run = Run(lambda micro: True)
    with pytest.raises(RowTooLargeError, match="single row"):
        run.runner.evaluate(toy_rows(2), step=0, device=CPU, use=lambda part, nll: None)
