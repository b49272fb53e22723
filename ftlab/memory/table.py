"""A plan for people and for programs: a table on the terminal, plain data for JSON and the run card."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ftlab.memory.advice import Change
from ftlab.memory.plan import Plan
from ftlab.memory.policy import time_share

GIB = 2**30


def plan_data(plan: Plan, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """The plan as plain data.

    Args:
        plan: The plan.
        changes: What would make room.
    """
    load, flops = plan.load, plan.flops
    return {
        "device": plan.job.device,
        "device_bytes": plan.device_bytes,
        "fits": plan.fits,
        "pages": plan.pages,
        "total_bytes": plan.total_bytes,
        "needed_bytes": plan.needed_bytes,
        "tensor_bytes": plan.tensor_bytes,
        "margin_bytes": plan.margin_bytes,
        "terms": {term.name: term.bytes for term in plan.terms},
        "micro_batch_tokens": load.micro_batch_tokens,
        "recompute": plan.recompute,
        "longest_row_tokens": load.longest_row,
        "step_tokens": load.step_tokens,
        "flops_per_token": {"forward": flops.forward, "backward": flops.backward, "recomputed": flops.again},
        "relative_time": round(time_share(plan), 4),
        "trained_parameters": plan.job.trained,
        "notes": list(plan.job.notes),
        "changes": [
            {
                "override": change.override,
                "saved_bytes": change.saved_bytes,
                "fits": change.fits,
                "cost": change.cost,
                "micro_batch_tokens": change.plan.load.micro_batch_tokens,
                "recompute": change.plan.recompute,
            }
            for change in changes
        ],
    }


def plan_text(plan: Plan, changes: Sequence[Change], title: str) -> RenderableType:
    """The plan for the terminal.

    Args:
        plan: The plan.
        changes: What would make room.
        title: What runs.
    """
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for term in plan.terms:
        table.add_row(term.name, _gib(term.bytes))
    table.add_row("together", _gib(plan.total_bytes), style="bold", end_section=True)
    if plan.device_bytes is not None:
        device = "the GPU" if plan.job.device == "cuda" else "RAM"
        table.add_row(f"{device} (of it {_gib(plan.margin_bytes)} stay free)", _gib(plan.device_bytes))
    parts: list[RenderableType] = [table, Text(), Text(_verdict(plan), style="bold green" if plan.fits else "bold red")]
    parts.append(Text(_how(plan)))
    parts += [Text(f"Note: {note}") for note in plan.job.notes]
    if changes:
        parts += [Text(), _changes(changes)]
    return Group(*parts)


def matrix_text(
    cells: Mapping[str, Mapping[str, str]], cards: Sequence[str], title: str, legend: str
) -> RenderableType:
    """The largest model by card and method, for 80 columns.

    Args:
        cells: Method → card → model.
        cards: The lines.
        title: What all have in common.
        legend: What the cells' words mean.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    table.add_column("card")
    for method in cells:
        table.add_column(method)
    for card in cards:
        table.add_row(card, *(row[card] for row in cells.values()))
    return Group(table, Text(legend))


def _verdict(plan: Plan) -> str:
    if plan.device_bytes is None:
        return "Fits or not: give the device's size, such as trainer.memory=24GB."
    if plan.pages:
        return "It fits, with optimizer states in RAM: each update then moves them."
    if plan.fits:
        return "It fits."
    over = plan.needed_bytes + plan.margin_bytes - plan.device_bytes
    return f"It does not fit: {_gib(over) if over >= GIB / 10 else f'{over / 2**20:,.0f} MiB'} too much."


def _how(plan: Plan) -> str:
    load, flops = plan.load, plan.flops
    slower = time_share(plan) - 1
    return (
        f"{load.micro_batch_tokens:,} tokens a forward pass, recompute={plan.recompute}, "
        f"rows of up to {load.longest_row:,} tokens; {flops.total / 1e9:,.1f} GFLOP a token "
        f"({flops.again / 1e9:,.1f} of them recomputed), {slower:.0%} over the least time."
    )


def _changes(changes: Sequence[Change]) -> Table:
    table = Table(title="What to change", title_justify="left", box=None, pad_edge=False)
    for name in ("override", "saves", "fits then", "costs"):
        table.add_column(name)
    for change in changes:
        table.add_row(change.override, _gib(change.saved_bytes), "yes" if change.fits else "no", change.cost)
    return table


def _gib(amount: float) -> str:
    return f"{amount / GIB:,.2f} GiB"
