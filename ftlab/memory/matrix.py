"""The largest model that each card trains by each method."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftlab.memory.advice import with_shape
from ftlab.memory.budget import stated_bytes
from ftlab.memory.job import Job
from ftlab.memory.plan import Plan
from ftlab.memory.policy import choose
from ftlab.memory.shape import Shape

BETWEEN: dict[str, dict[str, Any]] = {
    "llama2-13b": {
        "model_type": "llama", "vocab_size": 32000, "hidden_size": 5120, "intermediate_size": 13824,
        "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 40,
    },
    "llama-33b": {
        "model_type": "llama", "vocab_size": 32000, "hidden_size": 6656, "intermediate_size": 17920,
        "num_hidden_layers": 60, "num_attention_heads": 52, "num_key_value_heads": 52,
    },
}  # fmt: skip
"""Published shapes of sizes that rules of thumb speak of and no shipped model has."""

LEGEND = "Below a model: what is run again (training.recompute); paged = optimizer states\nmove to RAM."
CARDS = ("8GB", "12GB", "16GB", "24GB", "40GB", "48GB", "80GB", "141GB")


def largest_models(
    jobs: Mapping[str, Job],
    models: Mapping[str, Shape],
    *,
    longest_row: int,
    step_tokens: int,
    cards: Sequence[str] = CARDS,
) -> dict[str, dict[str, dict[str, Any] | None]]:
    """Tries the models from the largest down.

    Args:
        jobs: A method's name → a run by it; of whatever model.
        models: Shapes by name.
        longest_row: Tokens.
        step_tokens: Tokens of the largest step.
        cards: Sizes as `trainer.memory` takes them.

    Returns:
        Method → card → model, its parameters, and the plan's budget and recomputation; None where none fits.
    """
    by_size = sorted(models.items(), key=lambda item: -item[1].parameters)
    return {
        method: {card: _largest(job, by_size, card, longest_row, step_tokens) for card in cards}
        for method, job in jobs.items()
    }


def cell_text(cell: Mapping[str, Any] | None) -> str:
    """A cell for the terminal, short: the model, and below it what its passes run again (`LEGEND`)."""
    if cell is None:
        return "–"
    again = str(cell["recompute"])
    again = f"{again} layers" if again.isdigit() else "" if again == "none" else again
    return f"{cell['model']}\n{', '.join(filter(None, (again, 'paged' if cell['pages'] else '')))}"


def _largest(
    job: Job, by_size: Sequence[tuple[str, Shape]], card: str, longest_row: int, step_tokens: int
) -> dict[str, Any] | None:
    device_bytes = stated_bytes(card)
    for name, shape in by_size:
        plan: Plan = choose(
            with_shape(job, shape), device_bytes=device_bytes, longest_row=longest_row, step_tokens=step_tokens
        )
        if plan.fits:
            return {
                "model": name,
                "parameters": shape.parameters,
                "micro_batch_tokens": plan.load.micro_batch_tokens,
                "recompute": plan.recompute,
                "needed_bytes": plan.needed_bytes,
                "pages": plan.pages,
            }
    return None
