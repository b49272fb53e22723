"""What a configuration looks like: one dataclass for each node, a type and a range for each key.

The values stand in conf/*.yaml, their meaning beside them; here is only what `validate` checks. Annotations are the
types YAML can hold. A class derived from `Component` describes a node with a `_target_`: its own keys are checked here,
all others against the target's signature (`target`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
ComputeDtype = Literal["auto", "bfloat16", "float32"]


def number(
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    optional: bool = False,
) -> Any:
    """Declares a key that holds a number.

    Args:
        least: The value may not be smaller.
        above: The value must be larger.
        most: The value may not be larger.
        below: The value must be smaller.
        optional: Whether a choice may leave the key out.
    """
    bounds = {"at least": least, "more than": above, "at most": most, "less than": below}
    given = {words: bound for words, bound in bounds.items() if bound is not None}
    return field(metadata={"bounds": given, "optional": optional})


@dataclass
class Component:
    """A node that names a class; the keys that are not declared are that class's own."""

    _target_: str


@dataclass
class Task:
    """What to do with the rest of the configuration."""

    name: str
    format: Literal["text", "json"] = number(optional=True)
    matrix: bool = number(optional=True)


@dataclass
class Model:
    """A base model: where it comes from and what it is made of."""

    name: str
    path: str | None
    revision: str | None
    licence: str
    gated: bool
    note: str
    weights: Literal["pretrained", "random"]
    trust_remote_code: bool
    dtype: Dtype
    chat_template: str | None
    shape: dict[str, Any] | None
    context_tokens: int | None = number(least=1)
    lr_multiplier: float = number(above=0)


@dataclass
class Quantization:
    """How the frozen base is stored."""

    name: str
    kind: Literal["none", "nf4", "fp4", "int8", "fp8"]
    bits: Literal[4, 8, 16]
    double_quantization: bool
    compute_dtype: ComputeDtype


@dataclass
class Training:
    """How long and in what portions to train."""

    batch_rows: int = number(least=1)
    recompute: Literal["auto", "none", "norms", "mlp", "all", "offload"] | int = number(least=1)
    micro_batch_tokens: Literal["auto"] | int = number(least=1)
    epochs: float = number(above=0)
    max_steps: int | None = number(least=1)
    max_grad_norm: float | None = number(above=0)
    max_skipped_steps: int = number(least=0)
    eval_every_steps: int | None = number(least=1)
    checkpoint_every_steps: int | None = number(least=1)
    keep_checkpoints: int = number(least=1)
    lr_factor: float = number(above=0)
    max_row_tokens: int | None = number(least=1)


@dataclass
class Optimizer(Component):
    """How weights are updated; the run adds the parameters, therefore `_partial_`."""

    _partial_: Literal[True]
    lr: float = number(above=0)


@dataclass
class Method(Component):
    """What is trained: ftlab's own four keys; all others are the target's."""

    name: str
    adapter_dtype: Literal["float32", "bfloat16", "model"]
    lr_multipliers: dict[str, float]
    learning_rate: float = number(above=0)


@dataclass
class Columns:
    """What the fields of a row are called in the user's files."""

    instruction: str
    input: str
    output: str
    prompt: str
    completion: str
    messages: str
    conversations: str
    tools: str
    text: str


@dataclass
class Data:
    """Where rows come from, how they are split, and what of them carries loss."""

    name: str
    path: str | None
    validation_path: str | None
    test_path: str | None
    format: Literal["auto", "alpaca", "prompt-completion", "messages", "sharegpt", "text"]
    file_format: Literal["auto", "jsonl", "json", "csv", "parquet"]
    hub_id: str | None
    hub_config: str | None
    hub_split: str | None
    train_on: Literal["answer", "assistant", "each", "text"]
    system: str | None
    prompt: str
    schema: str | None
    columns: Columns
    long_rows: Literal["error", "drop", "truncate", "split"]
    mix: list[dict[str, Any]]
    replay: dict[str, Any] | None
    cache: str | None
    validation_fraction: float = number(least=0, below=0.5)
    train_share: float = number(above=0, most=1)
    split_seed: int = number(least=0)


@dataclass
class Check:
    """What the check of the rows looks for, how grave that is, and what it writes."""

    strict: bool
    silence: list[str]
    errors: list[str]
    near_duplicates: bool | Literal["auto"]
    write: str | None
    mask_personal_data: bool
    page: str
    near_threshold: float = number(above=0, most=1)


@dataclass
class Scheduler:
    """The learning rate over the steps of a run."""

    name: Literal["cosine", "linear", "constant", "constant-with-warmup", "wsd"]
    warmup: float = number(least=0)
    min_lr_ratio: float = number(least=0, most=1, optional=True)
    decay: float = number(least=0, optional=True)


@dataclass
class Trainer:
    """The hardware and the precision of its arithmetic."""

    accelerator: Literal["auto", "cpu", "gpu"]
    precision: ComputeDtype
    memory: str | int | float
    devices: int = number(least=1)


@dataclass
class Kernels:
    """Which parts of the model run fused."""

    name: str
    attention: bool
    mlp: bool
    norms: bool
    arithmetic: Literal["model", "fp8"]
    hold_unpacked: bool


@dataclass
class General:
    """What forgetting is measured by."""

    path: str | None
    hub_id: str | None
    hub_config: str | None
    hub_split: str | None
    probe: str | None
    match: Literal["contains", "exact"]
    rows: int = number(least=1)


@dataclass
class Evaluation:
    """What is measured after training."""

    name: str
    base: bool
    perplexity: bool
    format: Literal["json", "text"] | None
    general: General
    tasks: list[str] = number(optional=True)  # noqa: RUF009 (it is a field)
    task_folder: str | None = number(optional=True)
    chat_template: bool = number(optional=True)
    samples: int = number(least=0)
    format_rows: int = number(least=0)
    logits_gb: float = number(above=0)
    max_new_tokens: int = number(least=1)
    generate_batch_rows: int = number(least=1)
    few_shot: int | None = number(least=0, optional=True)
    task_rows: int | None = number(least=1, optional=True)


@dataclass
class Strip:
    """What is taken out of answers before raters see them."""

    thinking: bool
    markers: bool
    names: Literal["auto"] | list[str]
    patterns: list[str]


@dataclass
class Compare:
    """The blind side-by-side test."""

    action: Literal["answer", "score"]
    serve: bool
    folder: str | None
    runs: list[str]
    every_pair: bool
    raters: list[str] | None
    ratings: list[str]
    language: Literal["en", "zh"]
    strip: Strip
    rows: int = number(least=1)
    port: int = number(least=0, most=65535)


@dataclass
class Report:
    """How runs are compared."""

    by: list[str] | None
    price_per_hour: float | None = number(least=0)


@dataclass
class Config:
    """The whole configuration, in the order of the pipeline."""

    task: Task
    model: Model
    quantization: Quantization
    optimizer: Optimizer
    training: Training
    method: Method
    data: Data
    check: Check
    scheduler: Scheduler
    trainer: Trainer
    kernels: Kernels
    callbacks: dict[str, Component]
    logger: dict[str, Component]
    evaluation: Evaluation
    output_dir: str
    resume: str
    offline: bool
    compare: Compare = field(metadata={"optional": True})
    report: Report = field(metadata={"optional": True})
    run: str | None = number(optional=True)
    runs: str | list[str] | None = number(optional=True)  # noqa: RUF009 (it is a field)
    questions: str | None = number(optional=True)
    seed: int = number(least=0, most=2**32 - 1)
