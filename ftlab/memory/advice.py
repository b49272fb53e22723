"""What to change where a plan doesn't fit: each change planned anew, and ranked by what it costs and saves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ftlab.memory.job import OPTIMIZERS, Adapter, Job
from ftlab.memory.plan import Plan, make_plan
from ftlab.memory.policy import choose, time_share
from ftlab.memory.shape import Shape

_RANK = 16
"""Rank of the adapter that method=lora and method=qlora bring."""
_LEAST_SAVED = 0.005
"""Changes that save a smaller share are left out."""
_SHORTEST = 512
"""Rows are not advised to be cut below this."""


@dataclass(frozen=True, slots=True)
class Change:
    """One way to need less.

    Attributes:
        override: What to type.
        cost: What it costs, in words.
        plan: The plan with it.
        saved_bytes: How much less it needs.
        severity: How much it costs, 0 for nothing: the order among those that are enough.
    """

    override: str
    cost: str
    plan: Plan
    saved_bytes: int
    severity: float

    @property
    def fits(self) -> bool:
        """Whether the run fits with it alone."""
        return self.plan.fits


def advise(
    plan: Plan, models: Mapping[str, Shape] | None = None, given: Mapping[str, Any] | None = None
) -> list[Change]:
    """Finds what would make room.

    Args:
        plan: One that doesn't fit, or that memory ran out under nevertheless.
        models: Other models by name, of which a smaller one is proposed.
        given: What `choose` was told beside device and rows: it stays as it is unless the change is about it.

    Returns:
        Changes that save something: those that are enough by themselves first, the cheapest of them first; then the
        others, by what they save.
    """
    found = []
    for override, cost, severity, changed in _candidates(plan, models or {}, given or {}):
        saved = plan.needed_bytes - changed.needed_bytes
        is_enough = changed.fits and not plan.fits
        if is_enough or saved > _LEAST_SAVED * plan.needed_bytes:
            found.append(Change(override, cost, changed, saved, severity))
    return sorted(found, key=lambda change: (not change.fits, change.severity if change.fits else -change.saved_bytes))


def _candidates(
    plan: Plan, models: Mapping[str, Shape], given: Mapping[str, Any]
) -> Iterator[tuple[str, str, float, Plan]]:
    job, load = plan.job, plan.load
    now = time_share(plan)
    ways: list[tuple[str, dict[str, Any]]] = [
        ("training.micro_batch_tokens=auto training.recompute=auto", {"micro_batch_tokens": None, "recompute": None}),
        (f"training.micro_batch_tokens={load.longest_row}", {"micro_batch_tokens": load.longest_row}),
        ("training.recompute=all", {"recompute": "all"}),
    ]
    if job.device == "cuda":
        ways.append(("training.recompute=offload", {"recompute": "offload"}))
    for override, forced in ways:
        changed = _again(plan, job, given, **forced)
        slower = max(0.0, time_share(changed) / now - 1)
        yield override, f"{slower:.0%} more time a step, the same results", slower, changed
    for override, cost, severity, other in _jobs(job):
        yield override, cost, severity, _same_load(plan, other, given)
    if load.longest_row > _SHORTEST:
        shorter = load.longest_row // 2
        halved = _again(plan, job, given, longest_row=shorter, step_tokens=max(shorter, load.step_tokens // 2))
        cut = f"training.max_row_tokens={shorter} data.long_rows=truncate"
        yield cut, f"rows of over {shorter:,} tokens are cut", 3.0, halved
    smaller = {name: shape for name, shape in models.items() if shape.parameters < 0.95 * job.shape.parameters}
    by_size = sorted(smaller.items(), key=lambda item: -item[1].parameters)
    plans = [(name, shape, _again(plan, with_shape(job, shape), given)) for name, shape in by_size]
    chosen = next((entry for entry in plans if entry[2].fits), plans[-1] if plans else None)
    if chosen is not None:
        name, shape, changed = chosen
        share = shape.parameters / job.shape.parameters
        yield f"model={name}", f"a model with {share:.0%} of the parameters", 4.0 + (1 - share), changed


def _jobs(job: Job) -> Iterator[tuple[str, str, float, Job]]:
    """The same run with less held: by its optimizer, storage or method."""
    eight_bit, adapter = OPTIMIZERS["PagedAdamW8bit"], job.adapter
    if job.optimizer.name != eight_bit.name:
        moves = "; they move to RAM where needed" if job.device == "cuda" else ""
        yield "optimizer=paged-adamw-8bit", f"8-bit moments{moves}", 0.2, replace(job, optimizer=eight_bit)
    if job.kind != "nf4" and adapter is not None and not adapter.on_exact:
        yield "quantization=nf4", "the base rounded to 4 bits", 0.5, replace(job, kind="nf4", double_quantization=True)
    if adapter is not None and adapter.has_r and max(adapter.ranks.values(), default=0) > 8:
        ranks = dict.fromkeys(adapter.ranks, 8)
        yield "method.r=8", "a smaller adapter", 0.4, replace(job, adapter=replace(adapter, ranks=ranks))
    if adapter is not None and adapter.dropout:
        dense = replace(job, adapter=replace(adapter, dropout=0.0))
        yield "method.lora_dropout=0", "no dropout", 0.1, dense
    if job.method == "adapter":
        return
    whole = Adapter(dict.fromkeys(job.shape.linears, _RANK), job.shape.layers)
    lora = replace(job, method="adapter", adapter=whole, trained_layers=0, trained_bytes=4, stream_bytes=job.base_bytes)
    yield "method=lora", "an adapter in place of all weights", 1.0, lora
    paged = OPTIMIZERS["PagedAdamW32bit"]
    qlora = replace(lora, kind="nf4", double_quantization=True, optimizer=paged)
    yield "method=qlora", "an adapter on a base rounded to 4 bits", 1.5, qlora


def with_shape(job: Job, shape: Shape) -> Job:
    """The same run with another model: the adapter goes to the matrices of the same place."""
    adapter = job.adapter
    if adapter is not None:
        part = {name.partition(".")[0]: rank for name, rank in adapter.ranks.items()}
        ranks = {
            name: adapter.ranks.get(name, part.get(name.partition(".")[0], 0) if name not in job.shape.linears else 0)
            for name in shape.linears
        }
        adapter = replace(adapter, ranks={n: r for n, r in ranks.items() if r}, layers=shape.layers)
    layers = shape.layers if job.method == "full" else min(job.trained_layers, shape.layers)
    return replace(job, shape=shape, adapter=adapter, trained_layers=layers)


def _same_load(plan: Plan, job: Job, given: Mapping[str, Any]) -> Plan:
    """Plans another job at the same budget and recomputation: what the job itself saves.

    Where that isn't enough, as the run itself would be planned with it: another recomputation may be smaller then.
    """
    same = make_plan(job, plan.load, plan.device_bytes, supervised_share=given.get("supervised_share", 1.0))
    return same if same.fits else _again(plan, job, given)


def _again(plan: Plan, job: Job, given: Mapping[str, Any], **changed: Any) -> Plan:
    """Plans anew, with budget and recomputation left to the plan unless they are given."""
    rows: dict[str, Any] = {"longest_row": plan.load.longest_row, "step_tokens": plan.load.step_tokens}
    return choose(job, device_bytes=plan.device_bytes, **(rows | dict(given) | changed))
