"""A plan: all terms of a run's memory at one token budget and one level of recomputation, against the device.

Peaks do not come together: the head's logits are gone when backward passes the layers. So the terms that only one of
them has count as far as they stand out, and all terms of a plan add up to its peak.
"""

from dataclasses import dataclass, field, replace

from ftlab.memory import terms
from ftlab.memory.activations import activation_bytes, away_bytes, layer_bytes
from ftlab.memory.flops import Flops, flops_of
from ftlab.memory.job import Job
from ftlab.memory.level import Level

CONTEXT_BYTES = 770 * terms.MIB
"""What a CUDA process takes outside of PyTorch's allocator: context, kernels, libraries (H100, see the benchmark)."""
LIBRARY_BYTES = 40 * terms.MIB
"""cuBLAS's room, inside the allocator."""
HOST_BYTES = 1100 * terms.MIB
"""A CPU process without its model: Python, PyTorch and Transformers (910 MiB), and what training, answering and logging
leave in it (the embedded run)."""
FRAGMENTS_SHARE = 0.02
"""What the allocator holds beyond its tensors, as a share of them."""
MARGIN_SHARE = 0.03
"""A plan fits where this share of the device stays free."""
SPARE_SHARE = 0.10
"""Beyond that, this share stays free where weights are held unpacked only because there is room."""
HELD = "weights held unpacked"


@dataclass(frozen=True, slots=True)
class Term:
    """A line of the plan.

    Attributes:
        name: What it is.
        bytes: How much.
        paged: Whether it moves to the host where the device is full.
    """

    name: str
    bytes: int
    paged: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the device in one step.

    Attributes:
        micro_batch_tokens: The budget of a forward pass; a longer row has one of its own.
        longest_row: Tokens of the longest row.
        step_tokens: Tokens of the largest step.
        level: What is run again.
    """

    micro_batch_tokens: int
    longest_row: int
    step_tokens: int
    level: Level

    @property
    def tokens(self) -> int:
        """Tokens of the largest forward pass."""
        return max(self.longest_row, min(self.micro_batch_tokens, self.step_tokens))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs.

    Attributes:
        job: What runs.
        load: Budget, rows and recomputation.
        device_bytes: What the device has for this process; None = not known.
        terms: All bytes; they add up to `total_bytes`.
        flops: Of a token.
    """

    job: Job
    load: Load
    device_bytes: int | None
    terms: tuple[Term, ...] = field(repr=False)
    flops: Flops = field(repr=False)

    @property
    def total_bytes(self) -> int:
        """Everything, paged states included."""
        return sum(term.bytes for term in self.terms)

    @property
    def needed_bytes(self) -> int:
        """What must be on the device at once: paged states can leave."""
        return sum(term.bytes for term in self.terms if not term.paged)

    @property
    def tensor_bytes(self) -> int:
        """What PyTorch's allocator counts as allocated: to be held against `max_memory_allocated`."""
        outside = ("CUDA context", "fragmentation")
        return sum(term.bytes for term in self.terms if not term.paged and term.name not in outside)

    @property
    def held_bytes(self) -> int:
        """For weights that are held unpacked because there is room."""
        return sum(term.bytes for term in self.terms if term.name == HELD)

    @property
    def host_bytes(self) -> int:
        """Pinned RAM beside the device."""
        return round(away_bytes(self.job, self.load.tokens, self.load.level))

    @property
    def margin_bytes(self) -> int:
        """What must stay free."""
        return 0 if self.device_bytes is None else int(self.device_bytes * MARGIN_SHARE)

    @property
    def fits(self) -> bool:
        """Whether all that must be on the device finds room, with the margin left free."""
        return self.device_bytes is None or self.needed_bytes + self.margin_bytes <= self.device_bytes

    @property
    def pages(self) -> bool:
        """Whether it fits only because paged states move to the host."""
        return self.fits and self.device_bytes is not None and self.total_bytes > self.device_bytes

    @property
    def recompute(self) -> str:
        """The level as `training.recompute` takes it."""
        return self.load.level.text(self.job.shape.layers)


def _through(job: Job, tokens: int, level: Level) -> float:
    """What backward holds beside all that forward kept, at its fullest.

    It passes the last layers first. When it comes to those that are run again as a whole, the others' share is free.
    """
    shape = job.shape
    if not 0 < level.layers < shape.layers:
        return terms.backward_bytes(job, tokens, level)
    rest = replace(level, layers=0)
    freed = (shape.layers - level.layers) * tokens * layer_bytes(job, rest)
    return max(terms.backward_bytes(job, tokens, rest), terms.backward_bytes(job, tokens, level) - freed)


def make_plan(job: Job, load: Load, device_bytes: int | None, *, supervised_share: float = 1.0) -> Plan:
    """Adds everything up.

    Args:
        job: What runs.
        load: Budget, rows and recomputation.
        device_bytes: What the device has for this process.
        supervised_share: Share of the tokens that carry loss in the fullest forward pass.
    """
    tokens = load.tokens
    supervised = max(1, int(tokens * supervised_share))
    kept = activation_bytes(job, tokens, load.level)
    head = terms.head_bytes(job, tokens, supervised)
    through = _through(job, tokens, load.level)
    gradients = terms.gradient_bytes(job)
    if tokens >= load.step_tokens:  # one forward pass a step: gradients come as activations go
        gradients = max(0.0, gradients - kept - max(head, through))
    inside = {
        "weights": terms.weight_bytes(job),
        "quantization constants": terms.constant_bytes(job),
        "embeddings and head": terms.embedding_bytes(job),
        "adapters": terms.adapter_bytes(job),
        "16-bit copies of trained weights": terms.copy_bytes(job),
        "gradients": gradients,
        "optimizer states": terms.optimizer_bytes(job, paged=False),
        "activations": kept,
        "logits chunk": head,
        "workspace": max(0.0, through - head) + (LIBRARY_BYTES if job.device == "cuda" else 0),
    }
    lines = [Term(name, round(amount)) for name, amount in inside.items()]
    paged = round(terms.optimizer_bytes(job, paged=True))
    lines.insert(7, Term("optimizer states, paged", paged, paged=True))
    if job.device == "cuda":
        lines += [
            Term("fragmentation", round(sum(inside.values()) * FRAGMENTS_SHARE)),
            Term("CUDA context", CONTEXT_BYTES),
        ]
    else:
        lines.append(Term("the process itself", HOST_BYTES))
    shown = tuple(term for term in lines if term.bytes)
    return Plan(job, load, device_bytes, shown, flops_of(job, load.level, load.longest_row))


def hold_unpacked(plan: Plan) -> Plan:
    """Lets the plan hold weights unpacked where memory is left over: the same products, without unpacking first.

    Args:
        plan: Any; one that doesn't fit, of a device of unknown size, or of a CPU, where it was slower, stays as it is.
    """
    if plan.job.device == "cpu" or plan.device_bytes is None or not plan.fits:
        return plan
    free = plan.device_bytes * (1 - SPARE_SHARE) - plan.margin_bytes - plan.total_bytes
    held = round(min(terms.held_bytes(plan.job), max(0.0, free) / (1 + FRAGMENTS_SHARE)))
    if not held:
        return plan
    return replace(plan, terms=(*plan.terms, Term(HELD, held)))
