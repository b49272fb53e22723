"""What forward keeps for backward: bytes a token and layer, part by part, as the passes of ftlab really keep them.

Two ways through a layer: the fused kernels (`ftlab.kernels`), and the plain modules of Transformers, PEFT and
bitsandbytes. Each part of a layer goes its own way (`Job.fused`). Letters: C channels, F width of the MLP, Q and K
channels of queries and keys.
"""

from ftlab.memory.job import Job
from ftlab.memory.level import Level

F32 = 4
INPUTS_HERE = 3
"""Inputs of layers on the device where the others wait in RAM: those that leave or return, and the one in use."""
_LINE = 64
"""Elements to which the fused MLP's lines are rounded up."""


def activation_bytes(job: Job, tokens: int, level: Level) -> float:
    """Bytes that all layers keep at the end of forward.

    Args:
        job: What runs.
        tokens: Tokens of the forward pass.
        level: What is run again.
    """
    layers = job.graph_layers
    first = job.shape.layers - layers  # layers without a graph stand in front
    whole = max(0, min(level.layers, job.shape.layers) - first)
    kept = (layers - whole) * layer_bytes(job, level)
    inputs = min(whole, INPUTS_HERE) if level.offload and job.device == "cuda" else whole
    return tokens * (kept + inputs * job.shape.hidden * job.stream_bytes)


def away_bytes(job: Job, tokens: int, level: Level) -> float:
    """Bytes of layers' inputs that wait in RAM between forward and backward.

    Args:
        job: What runs.
        tokens: Tokens of the forward pass.
        level: What is run again, and where its inputs wait.
    """
    if not level.offload or job.device != "cuda":
        return 0.0
    inputs = (2 if job.fused.norms else 1) * job.graph_layers  # fused layers are run again in two halves
    return inputs * tokens * job.shape.hidden * job.stream_bytes


def again_bytes(job: Job, level: Level) -> float:
    """Bytes a token of what is run again at once, while its layer is passed.

    Args:
        job: What runs.
        level: What is run again.
    """
    if level.offload and job.device == "cuda" and job.fused.norms:
        halves = attention_bytes(job, Level()), mlp_bytes(job, Level())
        return norm_bytes(job, Level()) / 2 + max(halves)
    if level.layers:
        return layer_bytes(job, Level())
    return layer_bytes(job, Level(norms=True)) - layer_bytes(job, level) if level.mlp else 0.0


def layer_bytes(job: Job, level: Level) -> float:
    """Bytes a token that one layer keeps, where it isn't run again as a whole.

    Args:
        job: What runs.
        level: What of the layer is run again.
    """
    return norm_bytes(job, level) + attention_bytes(job, level) + mlp_bytes(job, level)


def norm_bytes(job: Job, level: Level) -> float:
    """The layer's norms: the residual stream as they read it."""
    shape, e = job.shape, job.activation_bytes
    width = shape.hidden
    if job.fused.norms:
        return (4 if shape.branch_norms else 2) * (width * e + F32)
    each = width * job.stream_bytes if level.norms or level.mlp else _plain_norm(job, width)
    return (4 if shape.branch_norms else 2) * each


def attention_bytes(job: Job, level: Level) -> float:
    """Projections, their adapters, and attention itself."""
    shape, e = job.shape, job.activation_bytes
    names = [name for name in shape.linears if name.startswith("self_attn.")]
    output, inputs = names[-1], names[:-1]
    kept = _inputs(job, inputs, remade=job.fused.norms and (level.norms or level.mlp), fused=job.fused.attention)
    kept += (shape.query + 2 * shape.key) * e + _rearranged(job)
    kept += shape.query * e + shape.heads * F32  # its result, which the output's adapter reads, and the sums of exp
    kept += _adapters(job, inputs) + _dropped(job, [output], fused=job.fused.attention) + _adapters(job, [output])
    if job.device == "cpu":  # a call for each row: keys and values repeated for their queries, results put together
        kept += 3 * shape.query * e
    return kept


def _rearranged(job: Job) -> float:
    """What queries, keys and values are kept as beside the form that attention reads."""
    shape, e = job.shape, job.activation_bytes
    turned = shape.query + shape.key
    if not shape.head_norms:
        return turned * e if shape.joined else 0.0  # values are a view of the joined product and hold all of it
    stacked = turned * e if job.fused.attention else 0.0
    if job.fused.norms:
        return turned * e + (turned // shape.head_width) * F32
    return stacked + _plain_norm(job, turned)


def mlp_bytes(job: Job, level: Level) -> float:
    """The gated MLP."""
    shape, e, fused = job.shape, job.activation_bytes, job.fused.mlp
    names = [name for name in shape.linears if name.startswith("mlp.")]
    down, gated = names[-1], names[:-1]
    in_one = fused and not shape.joined and not _dropout(job)
    if level.mlp and not in_one:
        return shape.hidden * e
    remade = job.fused.norms and (level.norms or level.mlp)
    kept = _inputs(job, gated, remade=remade, fused=fused)
    if in_one:
        ranks = _adapters(job, names)
        if level.mlp:
            return kept + ranks
        beside = 0 if job.fp8 else sum(_ranks(job, gated))
        line = -(-(2 * shape.inner + beside) // _LINE) * _LINE
        return kept + line * e + ranks
    # Gate, its activation, up; and their product, which the last layer's adapter reads.
    kept += 3 * shape.inner * e + _adapters(job, names)
    return kept + _inputs(job, [down], remade=False, fused=fused)


def _inputs(job: Job, names: list[str], *, remade: bool, fused: bool) -> float:
    """What layers that read the same tensor keep of it."""
    width, e = job.shape.linears[names[0]][1], job.activation_bytes
    dropped = _dropped(job, names, fused=fused)
    kept = width * e
    if job.method != "adapter" and job.stream_bytes > e:  # autocast casts the wide stream anew for each matrix
        return kept * len(names)
    if job.method != "adapter" or job.kind == "int8":
        return kept + dropped
    if not any(_ranks(job, names)):
        return kept if fused and not remade else 0.0
    if fused:
        return dropped if remade else kept + dropped
    return dropped or kept


def _dropped(job: Job, names: list[str], *, fused: bool) -> float:
    """Dropout: a mask as wide as the input for each adapter; the plain way keeps a mask of bytes and the result."""
    if not _dropout(job):
        return 0.0
    e = job.activation_bytes
    each = e if fused else e + 1
    return sum(job.shape.linears[name][1] * each for name, rank in zip(names, _ranks(job, names), strict=True) if rank)


def _adapters(job: Job, names: list[str]) -> float:
    """The input's projection on each adapter's rank."""
    return sum(_ranks(job, names)) * job.activation_bytes


def _ranks(job: Job, names: list[str]) -> list[int]:
    return [0 if job.adapter is None else job.adapter.ranks.get(name, 0) for name in names]


def _dropout(job: Job) -> bool:
    return job.adapter is not None and job.adapter.dropout > 0


def _plain_norm(job: Job, width: int) -> float:
    """Transformers' RMSNorm: its input in float32; where the weight is trained, the normed input too."""
    return width * F32 + F32 + (width * job.stream_bytes if job.method != "adapter" else 0)
