"""Budget and recomputation: the fastest pair that fits; what the user says wins."""

from dataclasses import replace
from itertools import pairwise

import pytest

from ftlab.memory.job import Adapter, Fused, Job, Kind, Optimizer
from ftlab.memory.level import Level, extra_share, level_of, levels
from ftlab.memory.plan import HELD, Load, hold_unpacked, make_plan
from ftlab.memory.policy import MOST_TOKENS, choose, time_share
from ftlab.stage.shape import shipped_shapes

GIB = 2**30
SHAPE = shipped_shapes()["llama3-8b"]
JOB = Job(
    shape=SHAPE, kind="nf4", double_quantization=True, base_bytes=2, trained_bytes=4, activation_bytes=2,
    stream_bytes=2, method="adapter", optimizer=Optimizer("AdamW", 2, None), device="cuda",
    adapter=Adapter(dict.fromkeys(SHAPE.linears, 16), 32), kernels=Fused(True, True, True),
)  # fmt: skip
ROWS = {"longest_row": 1024, "step_tokens": 16384}


def test_terms_add_up_to_the_total_and_each_is_positive() -> None:
    plan = make_plan(JOB, Load(4096, 1024, 16384, Level()), 24 * GIB)
    assert sum(term.bytes for term in plan.terms) == plan.total_bytes
    assert all(term.bytes > 0 for term in plan.terms)
    assert plan.tensor_bytes < plan.needed_bytes <= plan.total_bytes


def test_levels_keep_less_the_more_is_run_again() -> None:
    sizes = [make_plan(JOB, Load(8192, 1024, 16384, level), None).tensor_bytes for level in levels(32, offload=True)]
    assert all(later < 1.01 * earlier for earlier, later in pairwise(sizes))
    assert sizes[-1] < 0.3 * sizes[0]
    shares = [extra_share(level, SHAPE) for level in levels(32, offload=True)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_large_card_needs_no_recomputation_and_takes_the_largest_step() -> None:
    plan = choose(JOB, device_bytes=141 * GIB, **ROWS)
    assert (plan.load.micro_batch_tokens, plan.recompute) == (16384, "none")


def test_small_card_gives_up_budget_before_it_gives_up_time() -> None:
    recomputed = [choose(JOB, device_bytes=size * GIB, **ROWS) for size in (24, 16, 12, 10)]
    assert all(plan.fits for plan in recomputed)
    times = [time_share(plan) for plan in recomputed]
    assert times == sorted(times)
    assert recomputed[0].recompute == "none"
    assert recomputed[-1].recompute != "none"


@pytest.mark.parametrize("size", [10, 12, 16, 24, 40, 80])
def test_no_other_pair_that_fits_is_faster(size: int) -> None:
    best = choose(JOB, device_bytes=size * GIB, **ROWS)
    for budget in (1024, 2048, 4096, 8192, 16384):
        for level in levels(32, offload=True):
            other = make_plan(JOB, Load(budget, 1024, 16384, level), size * GIB)
            assert not other.fits or time_share(other) >= time_share(best) - 1e-9


def test_what_the_user_says_wins_even_where_it_does_not_fit() -> None:
    plan = choose(JOB, device_bytes=12 * GIB, micro_batch_tokens=16384, recompute="none", **ROWS)
    assert (plan.load.micro_batch_tokens, plan.recompute, plan.fits) == (16384, "none", False)
    assert choose(JOB, device_bytes=80 * GIB, recompute=5, **ROWS).recompute == "5"
    assert choose(JOB, device_bytes=80 * GIB, micro_batch_tokens=2048, **ROWS).load.micro_batch_tokens == 2048


def test_nothing_that_fits_gives_the_smallest_plan() -> None:
    plan = choose(JOB, device_bytes=4 * GIB, **ROWS)
    assert not plan.fits
    assert plan.load.micro_batch_tokens == 1024
    assert plan.recompute == "offload"


def test_inputs_go_to_ram_only_where_the_budget_fits_no_other_way() -> None:
    everything = make_plan(JOB, Load(4096, 1024, 16384, level_of("all", 32)), None)
    enough = int(everything.needed_bytes / 0.97) + 2**20
    assert choose(JOB, device_bytes=enough, micro_batch_tokens=4096, **ROWS).recompute not in ("offload", "none")
    plan = choose(JOB, device_bytes=enough - 2**27, micro_batch_tokens=4096, **ROWS)
    assert (plan.recompute, plan.fits) == ("offload", True)
    assert plan.host_bytes == 2 * 32 * 4096 * 4096 * 2
    assert everything.host_bytes == 0
    assert choose(replace(JOB, device="cpu"), device_bytes=2**30, **ROWS).recompute != "offload"


def test_cpu_takes_the_usual_budget_and_no_recomputation_where_memory_allows() -> None:
    job = replace(JOB, device="cpu", shape=shipped_shapes()["tiny"])
    job = replace(job, adapter=Adapter(dict.fromkeys(job.shape.linears, 16), 6))
    plan = choose(job, device_bytes=16 * GIB, longest_row=98, step_tokens=1500)
    assert (plan.load.micro_batch_tokens, plan.recompute) == (MOST_TOKENS["cpu"], "none")


def test_row_longer_than_the_budget_sets_the_size_of_the_largest_forward_pass() -> None:
    assert Load(512, 2000, 9000, Level()).tokens == 2000
    assert Load(8192, 2000, 3000, Level()).tokens == 3000


def test_paged_states_need_no_place_on_the_device() -> None:
    full = replace(JOB, kind="none", method="full", adapter=None, trained_layers=32, trained_bytes=2)
    plain = make_plan(full, Load(2048, 1024, 16384, Level()), 40 * GIB)
    paging = replace(full, optimizer=Optimizer("PagedAdamW32bit", 2, 4, paged=True))
    paged = make_plan(paging, Load(2048, 1024, 16384, Level()), 48 * GIB)
    assert paged.needed_bytes < plain.needed_bytes
    assert paged.total_bytes > plain.total_bytes
    assert paged.fits
    assert paged.pages


@pytest.mark.parametrize("chosen", ["none", "norms", "mlp", "all", 1, 31])
def test_levels_are_written_as_they_are_read(chosen: str | int) -> None:
    assert level_of(chosen, 32).text(32) == str(chosen)


def test_weights_are_held_unpacked_only_in_memory_that_is_left_over() -> None:
    roomy = choose(JOB, device_bytes=80 * GIB, longest_row=2048, step_tokens=8192)
    held = hold_unpacked(roomy)
    assert held.held_bytes == 32 * 2 * sum((o + 16) * i for o, i in SHAPE.linears.values())
    assert (held.load, held.needed_bytes - roomy.needed_bytes) == (roomy.load, held.held_bytes)
    tight = choose(JOB, device_bytes=40 * GIB, longest_row=2048, step_tokens=8192)
    part = hold_unpacked(tight)
    assert 0 <= part.held_bytes < held.held_bytes
    assert part.fits
    full = choose(JOB, device_bytes=8 * GIB, longest_row=2048, step_tokens=8192)
    assert hold_unpacked(full) == full
    assert not [term for term in full.terms if term.name == HELD]


@pytest.mark.parametrize(("kind", "fp8", "share"), [("nf4", True, 2), ("fp8", True, 1), ("none", True, 1)])
def test_fp8_products_hold_their_weights_turned_over(kind: Kind, fp8: bool, share: int) -> None:
    plan = choose(replace(JOB, kind=kind, wants_fp8=fp8), device_bytes=141 * GIB, longest_row=2048, step_tokens=8192)
    assert hold_unpacked(plan).held_bytes == share * SHAPE.linear


def test_weights_that_are_not_unpacked_are_not_held() -> None:
    for job in (
        replace(JOB, kind="none"),
        replace(JOB, kind="fp8"),
        replace(JOB, device="cpu"),
        replace(JOB, kernels=Fused()),
        replace(JOB, method="full", adapter=None),
    ):
        plan = choose(job, device_bytes=282 * GIB, longest_row=2048, step_tokens=8192)
        assert hold_unpacked(plan).held_bytes == 0
