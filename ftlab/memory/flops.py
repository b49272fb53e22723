"""Floating-point operations of training on a token, and what recomputation adds: the time of a step by its products."""

from dataclasses import dataclass

from ftlab.memory.job import Job
from ftlab.memory.level import Level, extra_share


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations a token; a multiplication and an addition are two.

    Attributes:
        forward: One pass through layers, attention and head.
        backward: Back through what has a graph.
        again: Forward products run again.
    """

    forward: float
    backward: float
    again: float

    @property
    def total(self) -> float:
        """All of a token."""
        return self.forward + self.backward + self.again


def flops_of(job: Job, level: Level, row_tokens: int) -> Flops:
    """Counts a token's operations.

    Args:
        job: What runs.
        level: What is run again.
        row_tokens: Tokens of a row: each sees half of them on average.
    """
    shape = job.shape
    layers = 2.0 * shape.linear + shape.layers * 2.0 * shape.query * row_tokens
    head = 2.0 * shape.vocabulary * shape.hidden
    adapters = 2.0 * sum(numel * count for numel, count in job.adapter_tensors())
    graph = job.graph_layers / shape.layers
    weights_too = 2.0 if job.method != "adapter" else 1.0
    backward = layers * graph * weights_too + head * (2.0 if job.head_is_trained else 1.0) + 2 * adapters
    return Flops(forward=layers + head + adapters, backward=backward, again=layers * graph * extra_share(level, shape))
