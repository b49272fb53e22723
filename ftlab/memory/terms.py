"""The bytes of a run beside its activations, one function a term."""

import math

from ftlab.memory.activations import F32, again_bytes
from ftlab.memory.job import Job
from ftlab.memory.level import Level

MIB = 2**20

LEAST_PAGED = 4096
"""Smaller weights keep their states in place; from here on they are joined to tensors that page (`optimizer.flat`)."""
PAGED_STEP_BYTES = 64 * MIB
"""Managed memory comes in steps of this size (H100, as measured)."""

FROZEN_CHUNK_ELEMENTS = 2**27
"""Logits that exist at once where the head is frozen (`ftlab.kernels.loss`)."""
TRAINED_CHUNK_ELEMENTS = 2**25
"""Logits in float32 at once where the head is trained (`ftlab.training.loss`)."""


def weight_bytes(job: Job) -> float:
    """Matrices and vectors of the layers; FP8 arithmetic on 16-bit matrices keeps both."""
    shape = job.shape
    if job.method != "adapter":
        frozen = shape.parameters - shape.embeddings - _trained_in_layers(job)
        return _trained_in_layers(job) * job.trained_bytes + frozen * job.base_bytes
    each = {"none": job.base_bytes, "nf4": 0.5, "fp4": 0.5, "int8": 1.0, "fp8": 1.0}[job.kind]
    beside = 1.0 if job.fp8 and job.kind == "none" else 0.0
    return shape.linear * (each + beside) + shape.vectors * job.base_bytes


def constant_bytes(job: Job) -> float:
    """Scales of quantised matrices: of 64 weights in 4 bits (in 8 bits if quantised twice), of a line in 8 bits."""
    shape = job.shape
    outputs = shape.layers * sum(outputs for outputs, _ in shape.linears.values())
    matrices = shape.layers * len(shape.linears)
    if job.kind in ("nf4", "fp4"):
        blocks = shape.linear / 64
        scales = blocks * (1 + F32 / 256) if job.double_quantization else blocks * F32
        tables = matrices * F32 * (16 + (256 + 1 if job.double_quantization else 0))
        return scales + tables + (outputs * F32 if job.fp8 else 0)
    return outputs * F32 if job.kind in ("int8", "fp8") or job.fp8 else 0.0


def held_bytes(job: Job) -> float:
    """All weights that fused products would unpack anew each time, held unpacked beside the quantised ones.

    In 16 bits with the adapters' A below them; where products run in FP8, in FP8 and turned over too.
    """
    if job.method != "adapter" or (job.kind in ("none", "fp8") and not job.fp8):
        return 0.0
    each = 0.0
    for name, (outputs, inputs) in job.shape.linears.items():
        if not (job.fused.attention if name.startswith("self_attn.") else job.fused.mlp):
            continue
        ranks = 0 if job.adapter is None else job.adapter.ranks.get(name, 0)
        if job.fp8:
            each += outputs * inputs * (2 if job.kind in ("nf4", "fp4") else 1)
        else:
            each += (outputs + ranks) * inputs * job.activation_bytes
    return job.shape.layers * each


def embedding_bytes(job: Job) -> float:
    """Embedding and head: never quantised."""
    return job.shape.embeddings * (job.trained_bytes if job.method == "full" else job.base_bytes)


def adapter_bytes(job: Job) -> float:
    """The adapter's weights."""
    return job.adapter_parameters * job.trained_bytes


def copy_bytes(job: Job) -> float:
    """16-bit copies of wider trained weights, which a forward pass multiplies by and backward reads again."""
    if job.trained_bytes <= job.activation_bytes and not (job.fused.attention or job.fused.mlp):
        return 0.0
    if job.method == "adapter":
        return sum(numel * count for numel, count in job.adapter_tensors()) * job.activation_bytes
    head = job.shape.vocabulary * job.shape.hidden if job.method == "full" else 0
    return (job.trained_layers * job.shape.layer_linear + head) * job.activation_bytes


def gradient_bytes(job: Job) -> float:
    """One number for each trained weight."""
    return job.trained * job.trained_bytes


def optimizer_bytes(job: Job, *, paged: bool) -> float:
    """Moments of the trained weights.

    Args:
        job: What runs.
        paged: Those that move to the host where the device is full, or those that don't.
    """
    optimizer, total = job.optimizer, 0.0
    for numel, count in job.trained_tensors():
        small = numel < optimizer.least_numel
        each = (F32 if small else optimizer.moment_bytes) or job.trained_bytes
        pages = optimizer.paged and job.device == "cuda" and numel >= LEAST_PAGED
        total += numel * count * each if pages == paged else 0
    if paged:
        total = math.ceil(total / PAGED_STEP_BYTES) * PAGED_STEP_BYTES
    return total * optimizer.moments


def head_bytes(job: Job, tokens: int, supervised: int) -> float:
    """The logits chunk: what head and loss hold at the end of forward.

    Args:
        job: What runs.
        tokens: Tokens of the forward pass.
        supervised: Of them, those that carry loss.
    """
    shape, e = job.shape, job.activation_bytes
    hidden = shape.hidden * e
    if job.head_is_trained:
        chunk = min(supervised * shape.vocabulary, TRAINED_CHUNK_ELEMENTS)
        logits = supervised * shape.vocabulary * e
        return 2 * logits + 2 * chunk * F32 + tokens * 2 * hidden + supervised * hidden
    chunk = min(supervised * shape.vocabulary, FROZEN_CHUNK_ELEMENTS)
    wide = 0 if job.device == "cuda" else 3 * F32  # without Triton the loss is taken in float32, step by step
    return chunk * (e + wide) + tokens * 2 * hidden + supervised * 2 * hidden


def backward_bytes(job: Job, tokens: int, level: Level) -> float:
    """What backward through one layer holds beside what forward kept.

    Args:
        job: What runs.
        tokens: Tokens of the forward pass.
        level: What is run again, and exists while its layer is passed.
    """
    shape, e = job.shape, job.activation_bytes
    flows = (3 * shape.hidden + shape.inner * (1 if job.fused.mlp and not _drops(job) else 3)) * e
    return tokens * (again_bytes(job, level) + flows) + unpacked_bytes(job)


def unpacked_bytes(job: Job) -> float:
    """The widest product's unpacked weights; of trained matrices the newest gradient, before it is added."""
    shape = job.shape
    if job.method != "adapter":
        return max(shape.inner, shape.vocabulary if job.method == "full" else 0) * shape.hidden * job.trained_bytes
    if job.kind == "none" and not job.fp8:
        return 0.0
    lines = (2 if job.fused.mlp else 1) * shape.inner
    return lines * shape.hidden * (1 if job.fp8 else job.activation_bytes)


def _drops(job: Job) -> bool:
    return job.adapter is not None and job.adapter.dropout > 0


def _trained_in_layers(job: Job) -> int:
    if job.method == "full":
        return job.shape.linear + job.shape.vectors
    return job.trained_layers * (job.shape.layer_linear + job.shape.vector_parameters)
