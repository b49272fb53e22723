"""Plans a run's memory: before anything is loaded, from the configuration and the rows' lengths.

In: the configuration, the model's shape, the device. Out: a `Plan`, with what to change where it doesn't fit. Imports
neither torch nor transformers: `task=plan` answers at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from ftlab.memory.advice import Change, advise
from ftlab.memory.budget import card_bytes, host_bytes, stated_bytes
from ftlab.memory.job import Device
from ftlab.memory.plan import CONTEXT_BYTES, Plan, hold_unpacked
from ftlab.memory.policy import choose
from ftlab.memory.shape import Shape, shape_of
from ftlab.problem import InputError, Problem
from ftlab.stage.job import job_of
from ftlab.stage.shape import USUAL_ROW_TOKENS, model_keys, row_tokens, usual_shapes

UNEVEN = 1.1
"""A forward pass may hold more supervised tokens than the average one by this factor."""

FAR_OFF = 0.2
"""A run says so where plan and measurement differ by a larger share."""


def plan_task(cfg: DictConfig) -> tuple[Plan, list[Change]]:
    """Plans from the configuration alone.

    Args:
        cfg: The composed configuration.

    Returns:
        The plan, and changes that would make room where it doesn't fit.

    Raises:
        InputError: The shape or `trainer.memory` can't be read.
    """
    shape = shape_of(model_keys(cfg))
    stated, card = stated_bytes(cfg.trainer.memory), None
    if cfg.trainer.accelerator != "cpu":
        card = stated or card_bytes()
    device: Device = "cuda" if cfg.trainer.accelerator == "gpu" or card else "cpu"
    device_bytes = card if device == "cuda" else stated or host_bytes()
    row = min(row_tokens(cfg), cfg.model.context_tokens or USUAL_ROW_TOKENS)
    return plan_for(cfg, shape, device, device_bytes, longest_row=row, step_tokens=row * cfg.training.batch_rows)


def plan_run(
    cfg: DictConfig,
    model: Mapping[str, Any],
    device: Device,
    device_bytes: int,
    lengths: Sequence[int],
    supervised: Sequence[int],
    step_tokens: int,
) -> Plan | None:
    """Plans a run from its rows.

    Args:
        cfg: The composed configuration.
        model: Keys of the model's Transformers config.
        device: What it runs on.
        device_bytes: What is free there, what this process holds already counted in.
        lengths: Tokens of each training row.
        supervised: Of them, those that carry loss.
        step_tokens: Tokens of the largest step of the run, on one device.

    Returns:
        The plan; None where the model is none that can be planned and the user set the budget.

    Raises:
        InputError: It can't fit, or the model can't be planned and `training.micro_batch_tokens` is `auto`.
    """
    try:
        shape = shape_of(model)
    except InputError:
        if cfg.training.micro_batch_tokens == "auto":
            raise
        return None
    stated = stated_bytes(cfg.trainer.memory)
    allowed = device_bytes if stated is None or (stated > device_bytes and device == "cuda") else stated
    if device == "cpu":
        allowed //= cfg.trainer.devices  # processes share the RAM
    share = min(1.0, UNEVEN * sum(supervised) / sum(lengths))
    plan, changes = plan_for(
        cfg,
        shape,
        device,
        allowed,
        longest_row=max(lengths),
        step_tokens=step_tokens,
        supervised_share=share,
    )
    if plan.device_bytes is not None and plan.needed_bytes > plan.device_bytes and not _can_shrink(cfg, plan, share):
        raise InputError([too_large(plan, changes)])
    paged = plan.total_bytes - plan.needed_bytes
    if plan.pages and paged > host_bytes():
        what = f"pages {paged / 2**30:.1f} GiB of its states to RAM, but there are {host_bytes() / 2**30:.1f} GiB."
        raise InputError([Problem("optimizer", what, "Set optimizer=paged-adamw-8bit, or method=qlora.")])
    if plan.host_bytes > host_bytes():
        moved, there = plan.host_bytes / 2**30, host_bytes() / 2**30
        what = f"must be all where RAM is small: offload moves {moved:.1f} GiB there, but there are {there:.1f} GiB."
        raise InputError(
            [
                Problem(
                    "training.recompute", what, "Set training.recompute=all and a smaller training.micro_batch_tokens."
                )
            ]
        )
    return plan


def plan_for(
    cfg: DictConfig,
    shape: Shape,
    device: Device,
    device_bytes: int | None,
    *,
    longest_row: int,
    step_tokens: int,
    supervised_share: float = 1.0,
) -> tuple[Plan, list[Change]]:
    """Plans a run of which everything is known.

    Args:
        cfg: The composed configuration.
        shape: The model's.
        device: What it runs on.
        device_bytes: What it has; None = not known.
        longest_row: Tokens.
        step_tokens: Tokens of the largest step.
        supervised_share: Share of the tokens that carry loss in the fullest forward pass.

    Returns:
        The plan, and changes that would make room where it doesn't fit.
    """
    given = _given(cfg) | {"supervised_share": supervised_share}
    rows = {"longest_row": longest_row, "step_tokens": step_tokens}
    plan = choose(job_of(cfg, shape, device), device_bytes=device_bytes, **rows, **given)
    if cfg.kernels.hold_unpacked:
        plan = hold_unpacked(plan)
    return plan, [] if plan.fits else advise(plan, usual_shapes(), given)


def _given(cfg: DictConfig) -> dict[str, Any]:
    """What the user chose of budget and recomputation; None = left to the plan."""
    chosen = {key: cfg.training[key] for key in ("micro_batch_tokens", "recompute")}
    return {key: None if value == "auto" else value for key, value in chosen.items()}


def device_bytes(device: Device) -> int:
    """What this process can have of its device, what it holds already included.

    Args:
        device: `cuda` or `cpu`.
    """
    if device == "cpu":
        return host_bytes()
    import torch  # the run has it already; `task=plan` doesn't come here

    return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() + CONTEXT_BYTES)


def plan_notes(plan: Plan | None) -> list[str]:
    """What a run says of its plan: only where it is tight, or there is none."""
    if plan is None:
        return ["The model's memory can't be planned: training.micro_batch_tokens stays as it was set."]
    if plan.fits or plan.device_bytes is None:
        return []
    needed, there = plan.needed_bytes / 2**30, plan.device_bytes / 2**30
    return [
        f"The run is planned to need {needed:.1f} GiB of {there:.1f} GiB ({plan.load.micro_batch_tokens:,} tokens a "
        f"forward pass, recompute={plan.recompute}): it may run out of memory, and then goes on in smaller pieces."
    ]


def compared(plan: Plan, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Holds the plan against what was measured.

    Args:
        plan: The plan.
        measured: `peak_bytes`: on a GPU of tensors, on a CPU of the process.

    Returns:
        Planned and measured peak and how far the plan is off, as a share of the measurement.
    """
    planned = plan.tensor_bytes if plan.job.device == "cuda" else plan.needed_bytes
    peak = measured["peak_bytes"]
    return {"planned_peak_bytes": planned, "measured_peak_bytes": peak, "off": round(planned / peak - 1, 4)}


def hold_to(memory: str | int | float) -> None:
    """Keeps PyTorch's allocator below `trainer.memory` on the GPU, so that a shared card stays shared."""
    stated = stated_bytes(memory)
    if stated is None:
        return
    import torch

    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, max(0, stated - CONTEXT_BYTES) / total))


def advice(cfg: DictConfig, plan: Plan) -> list[str]:
    """What would need less than the plan, as overrides with their sizes."""
    return [_way(change) for change in advise(plan, usual_shapes(), _given(cfg))[:4]]


def _way(change: Change) -> str:
    return f"{change.override} ({change.plan.needed_bytes / 2**30:.1f} GiB)"


def too_large(plan: Plan, changes: Sequence[Change]) -> Problem:
    """Says that a run can't fit, and what would."""
    assert plan.device_bytes is not None
    needed, there = plan.needed_bytes / 2**30, plan.device_bytes / 2**30
    what = (
        f"must hold the run, but it needs {needed:.1f} GiB at least (rows of up to {plan.load.longest_row} tokens, "
        f"recompute={plan.recompute}) and there are {there:.1f} GiB."
    )
    ways = "; ".join(map(_way, changes[:4]))
    fix = f"What helps: {ways}. `task=plan` shows the whole plan." if ways else "`task=plan` shows the whole plan."
    return Problem("trainer.memory", what, fix)


def _can_shrink(cfg: DictConfig, plan: Plan, supervised_share: float) -> bool:
    """Whether a run that is too large as the user set it can find a smaller form by itself: on a GPU it runs again."""
    chosen = cfg.training.micro_batch_tokens != "auto" or cfg.training.recompute != "auto"
    if not chosen or plan.job.device == "cpu":
        return False
    free = choose(
        plan.job,
        device_bytes=plan.device_bytes,
        longest_row=plan.load.longest_row,
        step_tokens=plan.load.step_tokens,
        supervised_share=supervised_share,
    )
    return free.fits
