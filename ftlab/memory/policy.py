"""Chooses token budget and recomputation: the fastest pair that fits, by the time its products take.

A larger budget is faster, but less and less so: each forward pass has a fixed cost (launches, unpacked weights), which
is spread over more tokens. Recomputation costs in proportion to what is run again, up to 1.44 times the time. So the
largest budget comes first, and the least recomputation that it needs, as long as a smaller budget isn't faster.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial

from ftlab.memory.job import Job
from ftlab.memory.level import level_of, levels
from ftlab.memory.plan import Load, Plan, make_plan

MOST_TOKENS = {"cuda": 65_536, "cpu": 4096}
"""The largest budget that is tried: on a CPU, larger ones bring no speed."""
FIXED_FLOPS = {"cuda": 2.0e11, "cpu": 0.0}
"""The fixed cost of a layer and forward pass as the operations that an H100 does in that time (0.4 ms)."""

OFFLOAD_SHARE = 0.02
"""What it costs beside recomputation that inputs wait in RAM, as a share of a step without any."""


def choose(
    job: Job,
    *,
    device_bytes: int | None,
    longest_row: int,
    step_tokens: int,
    micro_batch_tokens: int | None = None,
    recompute: str | int | None = None,
    supervised_share: float = 1.0,
) -> Plan:
    """Makes the plan of a run.

    Args:
        job: What runs.
        device_bytes: What the device has for this process; None = not known.
        longest_row: Tokens of the longest row.
        step_tokens: Tokens of the largest step: a budget above it changes nothing.
        micro_batch_tokens: The user's; None = chosen here.
        recompute: The user's, as `training.recompute` takes it; None = chosen here.
        supervised_share: Share of the tokens that carry loss.

    Returns:
        The fastest plan that fits; where none does, the smallest.
    """
    budgets = [micro_batch_tokens] if micro_batch_tokens else list(_budgets(job, longest_row, step_tokens))
    choices = (
        levels(job.shape.layers, offload=job.device == "cuda")
        if recompute is None
        else [level_of(recompute, job.shape.layers)]
    )
    rows = {"longest_row": longest_row, "step_tokens": step_tokens}
    fitting: list[Plan] = []
    smallest: Plan | None = None
    for budget in budgets:
        plans = [
            partial(make_plan, job, Load(budget, level=level, **rows), device_bytes, supervised_share=supervised_share)
            for level in choices
        ]
        last = min((make() for make in plans[-2:]), key=lambda plan: plan.needed_bytes)
        if smallest is None or last.needed_bytes < smallest.needed_bytes:
            smallest = last
        if last.fits:
            first = bisect_left(plans, True, key=lambda make: make().fits)  # the levels behind it cost more time
            fitting.append(plans[first]() if first < len(plans) else last)
    assert smallest is not None
    return min(fitting, key=lambda plan: (time_share(plan), -plan.load.micro_batch_tokens), default=smallest)


def time_share(plan: Plan) -> float:
    """The time of a token against that of the same products in one endless forward pass without recomputation."""
    flops = plan.flops
    fixed = FIXED_FLOPS[plan.job.device] * plan.job.shape.layers / plan.load.tokens
    copied = OFFLOAD_SHARE if plan.load.level.offload else 0.0
    return (flops.total + fixed) / (flops.forward + flops.backward) + copied


def _budgets(job: Job, longest_row: int, step_tokens: int) -> Iterator[int]:
    """Powers of two from the longest row to the largest step."""
    most = max(longest_row, min(MOST_TOKENS[job.device], step_tokens))
    if job.device == "cpu":
        most = max(longest_row, MOST_TOKENS["cpu"])
    budget = most
    yield budget
    power = 1 << (most - 1).bit_length()
    while power > longest_row:
        power //= 2
        if longest_row < power < budget:
            yield power
    if longest_row < most:
        yield longest_row
